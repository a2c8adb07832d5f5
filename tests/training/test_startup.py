from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import pytest

from ranparity.training import backends
from ranparity.training.backends import startup
from ranparity.training.backends.startup import hidden, is_error, stderr_filtered, stdout_filtered
from tests.programs import environment

NOTE = "I0000 00:00:17 port.cc:153] oneDNN custom operations are on.\n"
NO_DRIVER = (
    "E0000 00:00:17 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: "
    "Failed call to cuInit: UNKNOWN ERROR (303)\n"
)
ERROR = "E0000 00:00:17 cuda_platform.cc:52] failed call to cuInit: CUDA_ERROR_OUT_OF_MEMORY\n"


def log() -> None:
    for line in (NOTE, NO_DRIVER, ERROR):
        os.write(2, line.encode())


def start_in_vain() -> None:
    with stderr_filtered(is_error):
        log()
        raise ImportError


def test_only_errors_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr_filtered(is_error):
        log()
        assert capfd.readouterr().err == ""
    os.write(2, b"after\n")
    assert capfd.readouterr().err == ERROR + "after\n"


def test_when_the_start_fails_everything_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImportError):
        start_in_vain()
    assert capfd.readouterr().err == NOTE + NO_DRIVER + ERROR


def test_stdout_is_held_back_by_itself(capfd: pytest.CaptureFixture[str]) -> None:
    with stdout_filtered(lambda line: not line.startswith("[Gloo]")):
        os.write(1, b"[Gloo] Rank 0 is connected\nresult\n")
        os.write(2, b"said\n")
        assert capfd.readouterr() == ("", "said\n")
    assert capfd.readouterr() == ("result\n", "")


def test_what_is_hidden_is_not_there_until_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with hidden("this", "json"):
        with pytest.raises(ImportError):
            importlib.import_module("this.part")
        assert importlib.import_module("json") is json, "it was loaded already"
    assert "this" not in sys.modules
    assert sys.modules["json"] is json


def test_a_compiler_is_marked_for_and_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`json.tool` is in its place: what else is asked for comes from the real one."""
    monkeypatch.setattr(startup, "COMPILER", "json.tool")
    monkeypatch.delitem(sys.modules, "json.tool", raising=False)
    with startup.uncompiled():
        compiler = sys.modules["json.tool"]
        assert compiler.disable()(print) is print
    assert "json.tool" not in sys.modules
    with startup.uncompiled():
        compiler = sys.modules["json.tool"]
        assert compiler.main is importlib.import_module("json.tool").main
        loaded = sys.modules["json.tool"]
        assert loaded is not compiler
    assert sys.modules["json.tool"] is loaded
    with startup.uncompiled():
        assert sys.modules["json.tool"] is loaded, "it was loaded already"


def test_pytorchs_compiler_is_there_for_others() -> None:
    program = (
        "from ranparity.training import backends; backends.start('torch'); import torch; "
        "print(torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)).item())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment()
    )
    assert (done.returncode, done.stdout) == (0, "2.0\n"), done.stderr


@pytest.mark.parametrize("backend", backends.NAMES)
def test_a_backend_starts_without_what_nothing_here_uses(backend: str) -> None:
    """And what was hidden from Keras is there for others."""
    program = (
        "import sys; from ranparity.training import backends; "
        f"backends.start({backend!r}); loaded = set(sys.modules); "
        "import sklearn, matplotlib, jax; "
        "others = {'sklearn', 'matplotlib', 'torch._dynamo'}; "
        "print(*sorted(loaded & {'keras', 'jax', 'tensorflow', 'torch', *others}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted({"keras", backend})
