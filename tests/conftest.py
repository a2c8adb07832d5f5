"""What all tests share: Keras on torch in this process, seeded hypothesis, the workers' results."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from filelock import FileLock

from tests import workload

workload.keep_apart()  # before a framework counts the CPUs
os.environ["KERAS_BACKEND"] = "torch"  # of this process; the other backends have their own
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" not in os.environ:  # those have what the process that starts them has
    os.environ["RANPARITY_DATA"] = tempfile.mkdtemp(prefix="ranparity-tests-")
    atexit.register(shutil.rmtree, os.environ["RANPARITY_DATA"], ignore_errors=True)

# A runner that was started in the background ignores Ctrl-C, and so would the programs that tests
# start; a handler in this process gives them the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("ranparity", derandomize=True, deadline=None)
hypothesis.settings.load_profile("ranparity")

BACKENDS = ("torch", "tensorflow", "jax")
TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests out, the longest files come first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: workload.first(item.nodeid.partition("::")[0]))


class Results(dict[str, Any]):
    """What the model worker of one backend found: arrays by case and name."""


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that the workers of all backends leave their models in."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "backends"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def model_results(shared_folder: Path) -> dict[str, Results]:
    """Runs tests/models/worker.py on each backend, whichever process of pytest comes first."""
    import numpy as np

    found = {}
    with FileLock(shared_folder / "lock"):
        for backend in BACKENDS:
            path = shared_folder / f"{backend}.npz"
            if not path.is_file():
                run_models(backend, shared_folder)
            with np.load(path) as arrays:
                found[backend] = Results(arrays)
    return found


def run_models(backend: str, folder: Path) -> None:
    """Runs tests/models/worker.py on a backend."""
    switches = {
        "KERAS_BACKEND": backend,
        "JAX_ENABLE_X64": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # more than a thousand operations, each called once
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, os.fspath(TESTS / "models" / "worker.py"), os.fspath(folder)]
    done = subprocess.run(
        command, env=os.environ | switches, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{backend}: {done.stderr[-3000:]}"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend's name."""
    return str(request.param)
