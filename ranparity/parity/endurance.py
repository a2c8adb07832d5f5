"""Kills a training run again and again, and compares what it ends with to an undisturbed one.

`nox -s endurance`, or `python -m ranparity.parity.endurance --help`. On each backend the run is
done twice without a disturbance, which must give the same bits, and then with SIGKILL at moments
drawn from the tape, of three kinds:

    checkpoint    while a checkpoint is being written: its file is there and has no name yet
    step          some steps after the process has begun to train, at any place within a step
    moment        any moment in the process's life: as it starts, compiles, trains or tests

After each kill the run is resumed; one that ends before all kills are done is begun again. Every
run must end with the digests, the step log and the table of epochs of the undisturbed one, times
apart. Nothing here imports a framework: the runs are processes of their own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.files import PARTIAL, check_writable, write_text
from ranparity.parity import sessions
from ranparity.training import backends, directory
from ranparity.training.logs import read_epochs, read_step, timeless

KINDS = ("checkpoint", "step", "moment")
DIGESTS = (
    "initial_weights_digest",
    "tape_digest",
    "final_weights_digest",
    "final_slots_digest",
    "test_accuracy",
    "test_top5_accuracy",
    "test_loss",
    "steps",
)
DEFAULTS = ("--steps", "60", "--batch-size", "32", "--checkpoint-every", "3")
POLL = 0.0005  # seconds between two looks at the run directory
SOONER = 0.8  # of the moment of a kill that a run has ended before
PROGRAM = (sys.executable, "-m", "ranparity.run")
Tell = Callable[[str], None]


@dataclass
class Endurance:
    """What came of the kills on one backend.

    Attributes:
        backend: Which.
        kills: How many of each kind.
        steps: How many steps the log had at each kill.
        rounds: How many runs were needed for all kills.
        differences: What differed from the undisturbed run, or between two undisturbed ones.
        environment: What the undisturbed run ran on.
    """

    backend: str
    kills: Counter[str] = field(default_factory=Counter)
    steps: list[int] = field(default_factory=list)
    rounds: int = 0
    differences: list[str] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """How the runs of a backend are started.

    Attributes:
        backend: Which.
        options: Of `ranparity run`, the same for each run.
        program: What is run with them.
    """

    backend: str
    options: tuple[str, ...]
    program: tuple[str, ...] = PROGRAM

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """Start a process that begins the run in a folder, or goes on with it."""
        extra = ("--backend", self.backend, "--out", str(folder), "--resume", "--quiet")
        return subprocess.Popen(  # noqa: S603  (this same Python)
            [*self.program, *extra, *self.options],
            env={**os.environ, "KERAS_BACKEND": self.backend},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, folder: Path) -> float:
        """Let a run go on to its end; gives the seconds that it took.

        Raises:
            InputError: It ended badly.
        """
        begun = time.monotonic()
        with self.start(folder) as process:
            _, errors = process.communicate()
        if process.returncode:
            last = (errors.strip().splitlines() or ["nothing on stderr"])[-1]
            raise InputError(f"{self.backend}: the run ended with {process.returncode}: {last}")
        return time.monotonic() - begun


def endure(trial: Trial, kills: int, tape: Tape, work: Path, tell: Tell) -> Endurance:
    """Kill runs of a backend so many times, and say what differs at their ends.

    Args:
        trial: How they are started.
        kills: How many times.
        tape: Where the moments come from.
        work: A folder for the run directories.
        tell: Is told how it goes.

    Raises:
        InputError: A run ended badly where nothing had killed it.
    """
    result = Endurance(trial.backend)
    calm, again = work / "calm", work / "again"
    seconds = min(trial.finish(calm), trial.finish(again))  # the second finds what is kept
    result.environment = directory.read_run(calm)["environment"]
    result.differences += [f"undisturbed, twice: {each}" for each in differences(calm, again)]
    tell(f"{trial.backend}: undisturbed twice, {seconds:.1f} s")
    moments = _moments(tape, trial.backend, kills, seconds)
    left = next(moments, None)
    while left is not None:
        result.rounds += 1
        folder = work / f"killed-{result.rounds}"
        while left is not None and _killed(trial, folder, *left, result, tell):
            left = next(moments, None)
        if left is not None:  # the run ended before that
            left = _sooner(*left)
        trial.finish(folder)
        found = differences(calm, folder)
        result.differences += [f"round {result.rounds}: {each}" for each in found]
    return result


def _moments(tape: Tape, backend: str, kills: int, seconds: float) -> Iterator[tuple[str, float]]:
    """Give the kind of each kill, in turn, and its moment: steps to wait for, or seconds."""
    chances = tape.uniforms(f"{backend} moments", kills).tolist()
    for kind, chance in zip(itertools.cycle(KINDS), chances, strict=False):
        yield kind, chance * (seconds if kind == "moment" else 5)


def _sooner(kind: str, moment: float) -> tuple[str, float]:
    """Give the moment of a kill that came too late: another run may never take so long."""
    return kind, moment * SOONER if kind == "moment" else moment


def _killed(
    trial: Trial, folder: Path, kind: str, moment: float, result: Endurance, tell: Tell
) -> bool:
    """Start the run and kill it at its moment; says no if it ended before that."""
    before = _logged(folder)
    with trial.start(folder) as process:
        _wait(process, folder, kind, moment, before)
        process.kill()
        _, errors = process.communicate()
    if process.returncode == 0:
        return False
    if process.returncode != -signal.SIGKILL:
        last = (errors.strip().splitlines() or ["nothing on stderr"])[-1]
        raise InputError(f"{trial.backend}: the run ended with {process.returncode}: {last}")
    # One that came after the rename was within a step.
    result.kills["step" if kind == "checkpoint" and not _writing(folder) else kind] += 1
    result.steps.append(_logged(folder))
    tell(f"{trial.backend}: kill {len(result.steps)} ({kind}) after step {result.steps[-1]}")
    return True


def _wait(
    process: subprocess.Popen[str], folder: Path, kind: str, moment: float, before: int
) -> None:
    """Wait for the moment of a kill, or for the process's end."""
    begun = time.monotonic()
    trained: float | None = None
    while process.poll() is None:
        if kind == "moment" and time.monotonic() - begun >= moment:
            return
        if kind == "checkpoint" and _writing(folder):
            return
        if kind == "step":
            if trained is None and _logged(folder) >= before + int(moment):
                trained = time.monotonic()
            if trained is not None and time.monotonic() - trained >= moment % 1 / 2:
                return
        time.sleep(POLL)


def _writing(folder: Path) -> bool:
    """Whether a checkpoint is being written."""
    with suppress(OSError):
        names = os.listdir(folder / directory.CHECKPOINTS)  # noqa: PTH208  (a look must be short)
        return any(name.endswith(PARTIAL) for name in names)
    return False


def _logged(folder: Path) -> int:
    """Give the number of whole lines in the log of steps."""
    with suppress(OSError):
        return (folder / directory.STEPS).read_bytes().count(b"\n")
    return 0


def differences(one: Path, other: Path) -> list[str]:
    """Say what differs between two finished runs, but for times; empty if nothing does."""
    found = []
    runs = directory.read_run(one), directory.read_run(other)
    for name in DIGESTS:
        if runs[0].get(name) != runs[1].get(name):
            found.append(f"{name}: {runs[0].get(name)} and {runs[1].get(name)}")
    for name, read in ((directory.STEPS, _steps), (directory.EPOCHS, _epochs)):
        rows = read(one), read(other)
        unequal = [place for place, (a, b) in enumerate(zip(*rows, strict=False), 1) if a != b]
        if unequal or len(rows[0]) != len(rows[1]):
            where = unequal[0] if unequal else min(map(len, rows)) + 1
            found.append(f"{name}: from line {where} on")
    return found


def _steps(folder: Path) -> list[dict[str, Any]]:
    path = folder / directory.STEPS
    return [timeless(read_step(line, str(path))) for line in path.read_text().splitlines()]


def _epochs(folder: Path) -> list[dict[str, Any]]:
    path = folder / directory.EPOCHS
    return [timeless(epoch) for epoch in read_epochs(path.read_text(), str(path))]


def described(result: Endurance, options: Sequence[str], seed: int) -> dict[str, Any]:
    """Give what is written down of a backend, as JSON."""
    return schema.versioned(
        {
            "backend": result.backend,
            "options": list(options),
            "seed": seed,
            "kills": {kind: result.kills[kind] for kind in KINDS},
            "steps_at_kills": result.steps,
            "rounds": result.rounds,
            "differences": result.differences,
            "verdict": "differs" if result.differences else "same",
            "environment": result.environment,
        }
    )


def main(argv: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 0 the same, 1 a difference, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m ranparity.parity.endurance",
        description="Kill training runs at random moments and compare their ends with undisturbed "
        "ones. What is not listed here goes to `ranparity run`.",
    )
    add = parser.add_argument
    add("--backends", default=",".join(backends.NAMES), help="default: %(default)s")
    add("--kills", type=int, default=20, help="on each backend (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    add("--out", type=Path, default=Path("reports/data"), help="default: %(default)s")
    add("--again", action="store_true", help="do backends again whose record is there")
    args, others = parser.parse_known_args(argv)
    options = (*DEFAULTS, *others)  # of two that contradict each other the last one counts
    same = True
    names = args.backends.split(",")
    for backend in names:
        backends.choose(backend, {}, "--backends")
    args.out.mkdir(parents=True, exist_ok=True)
    for backend in names:
        path = args.out / f"endurance-{backend}.json"
        if not args.again and sessions.read_record(path, "an endurance session", dict):
            _tell(f"{backend}: {path} is there: --again does it again")
            continue
        check_writable(path)
        with tempfile.TemporaryDirectory() as work:
            trial = Trial(backend, options)
            result = endure(trial, args.kills, Tape(args.seed), Path(work), _tell)
        content = described(result, options, args.seed)
        write_text(path, json.dumps(content, indent=2) + "\n")
        _tell(f"{backend}: {content['verdict']}: {sum(result.kills.values())} kills in {path}")
        same &= not result.differences
    return 0 if same else 1


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        _tell(f"ranparity: {error}")
        sys.exit(2)
