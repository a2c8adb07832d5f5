from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from ranparity.errors import TerminatedError
from ranparity.training.interrupt import Stop, listening


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """As in a terminal; a test runner in the background may have been started with them ignored."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_a_signal_asks_and_ends_where_it_is_heeded(capfd: pytest.CaptureFixture[str]) -> None:
    stop = Stop()
    with listening(stop, quiet=False):
        stop.heed()
        assert not stop.asked
        send(signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt) as caught:
            stop.heed()
    assert type(caught.value) is KeyboardInterrupt
    assert capfd.readouterr().err == "ending after this step (again: at once)\n"


def test_sigterm_is_told_from_ctrl_c(capfd: pytest.CaptureFixture[str]) -> None:
    stop = Stop()
    with listening(stop, quiet=True):
        send(signal.SIGTERM)
        with pytest.raises(TerminatedError):
            stop.heed()
    assert capfd.readouterr().err == ""


def test_the_second_signal_ends_at_once() -> None:
    stop = Stop()
    with listening(stop, quiet=True):
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_the_handlers_before_are_back_afterwards() -> None:
    with listening(Stop(), quiet=True):
        pass
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As under nohup, or in a shell's background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = Stop()
    with listening(stop, quiet=True):
        send(signal.SIGINT)
        assert not stop.asked
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_an_exception_swallowed_elsewhere_loses_nothing() -> None:
    """What happened: a library's `except:` took the KeyboardInterrupt, and the run went on."""
    stop = Stop()
    with listening(stop, quiet=True):
        with contextlib.suppress(BaseException):
            send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            stop.heed()
