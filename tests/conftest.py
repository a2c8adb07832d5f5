"""What all tests share: Keras on torch in this process, seeded hypothesis, the workers' results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest

os.environ["KERAS_BACKEND"] = "torch"  # of this process; the other backends have their own
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A runner that was started in the background ignores Ctrl-C, and so would the programs that tests
# start; a handler in this process gives them the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("ranparity", derandomize=True, deadline=None)
hypothesis.settings.load_profile("ranparity")

BACKENDS = ("torch", "tensorflow", "jax")
TESTS = Path(__file__).parent


class Results(dict[str, Any]):
    """What the model worker of one backend found: arrays by case and name."""


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of all backends leave their models in."""
    return tmp_path_factory.mktemp("backends")


@pytest.fixture(scope="session")
def model_results(shared_folder: Path) -> dict[str, Results]:
    """Runs tests/models/worker.py once on each backend, one after the other."""
    import numpy as np

    found = {}
    for backend in BACKENDS:
        switches = {"KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1", "OMP_NUM_THREADS": "1"}
        environment = os.environ | switches
        command = [sys.executable, os.fspath(TESTS / "models" / "worker.py"), shared_folder]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{backend}: {done.stderr[-3000:]}"
        with np.load(shared_folder / f"{backend}.npz") as arrays:
            found[backend] = Results(arrays)
    return found


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend's name."""
    return str(request.param)
