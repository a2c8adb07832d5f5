from __future__ import annotations

import os

import pytest

from ranparity.training.backends.startup import is_error, stderr_filtered, stdout_filtered

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
