"""Stand-in programs, run as the trainings of the long sessions are."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest

from ranparity.parity import trainings
from ranparity.parity.trainings import Job, Training, carry_out


def job(name: str, program: str) -> Job:
    return Job(name, "torch", (sys.executable, "-c", program))


def test_each_ends_well_or_says_why_not() -> None:
    jobs = [
        job("good", "import sys; print('all is well', file=sys.stderr)"),
        job("bad", "import sys; sys.exit('one\\ntwo\\nthree\\nfour')"),
        job("silent", "import os; os._exit(3)"),
        job("killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
    ]
    found = {each.name: error for each, error in carry_out(jobs)}
    assert found == {
        "good": "",
        "bad": "ended with status 1: two | three | four",
        "silent": "ended with status 3: nothing on stderr",
        "killed": "killed by signal 9: nothing on stderr",
    }


def test_each_has_one_processor_and_its_backend(tmp_path: Path) -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not say on which processors a process may run")
    before = os.sched_getaffinity(0)
    place = tmp_path / "seen"
    program = (
        "import os, pathlib; pathlib.Path({!r}).write_text("
        "f\"{{len(os.sched_getaffinity(0))}} {{os.environ['KERAS_BACKEND']}}\")"
    )
    assert [error for _, error in carry_out([job("a", program.format(str(place)))])] == [""]
    assert place.read_text() == "1 torch"
    assert os.sched_getaffinity(0) == before


def test_no_more_work_at_once_than_there_are_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainings, "_processors", lambda: sorted(os.sched_getaffinity(0))[:1])
    program = (
        "import pathlib, time; place = pathlib.Path({0!r}); place.mkdir(); time.sleep(.1); "
        "place.rmdir()"
    )
    jobs = [job(str(n), program.format(str(tmp_path / "alone"))) for n in range(3)]
    assert [(each.name, error) for each, error in carry_out(jobs)] == [
        ("0", ""),
        ("1", ""),
        ("2", ""),
    ]


WAITS = """
import pathlib, signal, time
def end(*_):
    pathlib.Path({place!r}).write_text("ended")
    raise SystemExit(130)
signal.signal(signal.SIGINT, end)
pathlib.Path({begun!r}).touch()
time.sleep(60)
"""


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets two jobs run at once, however many processors this process may use."""
    monkeypatch.setattr(trainings, "_processors", lambda: [0, 1])
    monkeypatch.setattr(trainings, "kept_to", lambda _: contextlib.nullcontext())


@pytest.mark.usefixtures("two_at_once")
def test_whoever_leaves_early_ends_what_runs(tmp_path: Path) -> None:
    begun, place = tmp_path / "begun", tmp_path / "ended"
    waits = job("waits", WAITS.format(place=str(place), begun=str(begun)))
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(begun)!r}).exists(): time.sleep(.01)"
    runs = carry_out([waits, job("first", wait), job("never", "pass")])
    assert next(runs)[0].name == "first"
    since = time.monotonic()
    runs.close()
    assert place.read_text() == "ended"
    assert time.monotonic() - since < 30


@pytest.mark.usefixtures("two_at_once")
def test_one_that_does_not_heed_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trainings, "GRACE", 0.2)
    begun = tmp_path / "begun"
    deaf = (
        "import pathlib, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        f"pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"
    )
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(begun)!r}).exists(): time.sleep(.01)"
    runs = carry_out([job("deaf", deaf), job("first", wait)])
    assert next(runs)[0].name == "first"
    since = time.monotonic()
    runs.close()
    assert time.monotonic() - since < 30


def test_the_command_of_a_training(tmp_path: Path) -> None:
    training = Training(tmp_path / "run", "jax", "resnet18-cifar", ("--epochs", "1"))
    begun, gone_on = (training.job(overwrite=fresh) for fresh in (True, False))
    assert begun.command[1:3] == ("-m", "ranparity.run")
    assert "--overwrite" in begun.command
    assert "--resume" in gone_on.command
    assert gone_on.command[-2:] == ("--epochs", "1")
    assert training.record() is None
    training.folder.mkdir()
    (training.folder / "run.json").write_text('{"status": "running"}')
    assert training.record() == {"status": "running"}
