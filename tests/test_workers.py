"""Workers: what they print arrives, and however they end, nothing is left running."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity import workers
from ranparity.errors import InputError
from ranparity.workers import WorkerError, ahead, answering, shares, stream

Start = Callable[..., Iterator[dict[str, Any]]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Writes a worker's module and starts it."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def started(program: str, *arguments: str, backend: str = "jax") -> Iterator[dict[str, Any]]:
        (tmp_path / "a_worker.py").write_text(textwrap.dedent(program))
        return stream(backend, "a_worker", arguments)

    return started


def ended(process: int) -> bool:
    """Whether a process is gone; one that was waited for is."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def failure(objects: Iterator[dict[str, Any]]) -> str:
    with pytest.raises(WorkerError) as error:
        list(objects)
    return str(error.value)


def test_objects_arrive_in_order_with_the_arguments_and_the_backend(start: Start) -> None:
    program = """
        import json, os, sys
        for argument in sys.argv[1:]:
            print(json.dumps({"argument": argument, "backend": os.environ["KERAS_BACKEND"]}))
    """
    assert list(start(program, "a b", "ü", backend="torch")) == [
        {"argument": "a b", "backend": "torch"},
        {"argument": "ü", "backend": "torch"},
    ]


def test_an_object_arrives_while_the_worker_works_on(start: Start) -> None:
    program = """
        import os, time
        print('{"process": %d}' % os.getpid(), flush=True)
        time.sleep(600)
    """
    objects = start(program)
    process = next(objects)["process"]
    assert not ended(process)
    objects.close()  # type: ignore[attr-defined]
    assert ended(process), "a worker that is not read to its end is killed"


def test_an_interrupt_ends_the_worker(start: Start) -> None:
    program = """
        import os, signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print('{"process": %d}' % os.getpid(), flush=True)
        time.sleep(600)
    """
    objects = start(program)
    process = next(objects)["process"]
    with pytest.raises(KeyboardInterrupt):
        objects.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert ended(process)


def test_chatter_is_left_out(start: Start) -> None:
    program = r"""
        import sys
        print("I0000 00:00:1700000000 cpu_feature_guard.cc:182")
        print('{"n": 1}')
        print("null"); print("12"); print('["a"]'); print('"text"'); print("{broken")
        sys.stdout.flush()
        sys.stdout.buffer.write(b"\xff\xfe binary\n")
        sys.stdout.flush()
        print()
        print('{"n": 2}', end="")
        print("a warning", file=sys.stderr)
    """
    assert list(start(program)) == [{"n": 1}, {"n": 2}]


def test_an_exception_is_told_with_its_last_lines(start: Start) -> None:
    program = """
        print('{"n": 1}')
        raise ValueError("no such thing")
    """
    objects = start(program)
    assert next(objects) == {"n": 1}
    message = failure(objects)
    assert message.startswith("ended with status 1: ")
    assert message.endswith(" | ValueError: no such thing")
    assert message.count(" | ") == 2
    assert message.isprintable()


def test_a_killed_worker_is_told_with_its_signal(start: Start) -> None:
    program = """
        import os, signal, sys
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert failure(start(program)) == f"killed by signal {signal.SIGKILL.value}: last words"


def test_a_worker_that_is_killed_from_outside(start: Start) -> None:
    program = """
        import os, time
        print('{"process": %d}' % os.getpid(), flush=True)
        time.sleep(600)
    """
    objects = start(program)
    os.kill(next(objects)["process"], signal.SIGTERM)
    assert failure(objects) == f"killed by signal {signal.SIGTERM.value}: nothing on stderr"


@pytest.mark.parametrize("status", [1, 3, 139])
def test_a_status_without_a_word(status: int, start: Start) -> None:
    assert failure(start(f"import sys; sys.exit({status})")) == (
        f"ended with status {status}: nothing on stderr"
    )


def test_a_missing_module(start: Start) -> None:
    start("")
    message = failure(stream("jax", "not_there", ()))
    assert message.startswith("ended with status 1: ")
    assert message.endswith("No module named not_there")


def test_only_the_end_of_a_long_complaint_is_kept(start: Start) -> None:
    program = r"""
        import sys
        for _ in range(20_000):
            print("x" * 100, file=sys.stderr)
        sys.stderr.flush()
        sys.stderr.buffer.write(b"caf\xe9 \xff\n\n")
        sys.exit(1)
    """
    line = "x" * 100
    assert failure(start(program)) == f"ended with status 1: {line} | {line} | caf\ufffd \ufffd"


def test_a_worker_that_floods_both_streams_is_read(start: Start) -> None:
    """Neither pipe fills up while the other is read."""
    program = """
        import sys
        for number in range(20_000):
            print("e" * 80, file=sys.stderr)
            print('{"n": %d}' % number)
    """
    assert sum(1 for _ in start(program)) == 20_000


def test_a_refusal_stays_a_refusal(start: Start) -> None:
    program = """
        import sys
        from ranparity.errors import InputError
        from ranparity.workers import serve

        def main(arguments):
            print('{"n": 1}')
            print("a framework's warning", file=sys.stderr)
            raise InputError(f"net.prototxt: refused {arguments[0]}")

        serve(main)
    """
    objects = start(program, "it")
    assert next(objects) == {"n": 1}
    with pytest.raises(InputError) as error:
        list(objects)
    assert str(error.value) == "net.prototxt: refused it"


def test_serve_gives_the_command_line_to_main(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("sys.argv", ["module", "a", "b"])
    workers.serve(seen.extend)
    assert seen == ["a", "b"]


def test_serve_lets_a_fault_through() -> None:
    def main(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        workers.serve(main)


def test_nothing_is_left_after_a_normal_end(start: Start) -> None:
    program = """
        import os
        print('{"process": %d}' % os.getpid(), flush=True)
    """
    objects = start(program)
    process = next(objects)["process"]
    assert list(objects) == []
    deadline = time.monotonic() + 10
    while not ended(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended(process)


def test_reading_ahead_gives_every_item_and_then_the_error() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2, 3)
        raise WorkerError("died")

    waiting = ahead(items())
    assert [next(waiting) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(WorkerError, match="died"):
        next(waiting)
    assert list(ahead(iter("ab"))) == ["a", "b"]


def test_reading_ahead_begins_at_once() -> None:
    """The iterator is read before anyone asks, so that two workers work side by side."""
    begun = threading.Event()

    def items() -> Iterator[int]:
        begun.set()
        yield 1

    waiting = ahead(items())
    assert begun.wait(10)
    assert list(waiting) == [1]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Writes the module of a worker that answers."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def started(program: str) -> Any:
        (tmp_path / "a_worker.py").write_text(textwrap.dedent(program))
        return answering("jax", "a_worker", ["argument"], {"OWN": "set"})

    return started


ECHO = """
    import json, os, sys
    told = {"arguments": sys.argv[1:], "own": os.environ["OWN"]}
    print(json.dumps({"process": os.getpid(), **told}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked == {"die": True}:
            sys.exit("it died")
        print("chatter", flush=True)
        print(json.dumps({"got": asked}), flush=True)
"""


def test_a_worker_answers_what_it_is_asked_and_is_ended(asked: Callable[[str], Any]) -> None:
    with asked(ECHO) as ask:
        first = ask(None)
        assert (first["arguments"], first["own"]) == (["argument"], "set")
        assert "OWN" not in os.environ
        for number in range(3):
            assert ask({"n": number}) == {"got": {"n": number}}
        assert not ended(first["process"])
    assert ended(first["process"])


def test_a_worker_that_dies_when_it_is_asked_says_why(asked: Callable[[str], Any]) -> None:
    with asked(ECHO) as ask:
        ask(None)
        with pytest.raises(WorkerError, match="ended with status 1: it died"):
            ask({"die": True})


def test_a_worker_that_has_gone_is_not_waited_for(asked: Callable[[str], Any]) -> None:
    with asked("pass") as ask, pytest.raises(WorkerError, match="ended without an answer"):
        ask({"n": 1})


def test_a_worker_is_ended_whatever_its_user_does(asked: Callable[[str], Any]) -> None:
    worker = asked(ECHO)
    process = worker.__enter__()(None)["process"]
    assert not worker.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None), "it goes on"
    assert ended(process)


@given(usable=st.sets(st.integers(0, 255), min_size=1, max_size=64), count=st.integers(2, 4))
def test_workers_that_run_at_once_have_processors_of_their_own(
    usable: set[int], count: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _: usable, raising=False)
        parts = shares(count)
        assert shares(1) == [[]]
    taken = [number for part in parts for number in part]
    assert len(parts) == count
    assert len(set(taken)) == len(taken), "no processor is given twice"
    assert usable.issuperset(taken)
    assert len({len(part) for part in parts}) == 1
    assert len(usable) - len(taken) < count, "as many as can be divided"


def test_where_a_process_cannot_be_kept_to_processors_workers_have_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert shares(3) == [[], [], []]


@pytest.mark.parametrize("processors", [[2], []])
def test_a_worker_is_started_on_its_processors_and_this_thread_is_not_kept_there(
    processors: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, to: kept.append(to), raising=False)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "a_worker.py").write_text("print('{}')")
    objects = stream("jax", "a_worker", (), processors)
    assert next(objects) == {}
    assert kept == ([[2], {0, 1, 2}] if processors else [])
    assert list(objects) == []
