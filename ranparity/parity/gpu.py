"""What needs a GPU: levels 1 to 3 of the ladder, and a short run, where a framework sees one.

`nox -s gpu`, or `python -m ranparity.parity.gpu`. Where no framework sees a GPU, nothing has been
checked, and it fails with a line that says so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity import sessions
from ranparity.parity.ladder.case import BATCH, Case
from ranparity.parity.ladder.run import Found, Ladder, default_references
from ranparity.training import backends, directory
from ranparity.workers import last_lines, stream

SEEN = "ranparity.parity.seen"
NET = "attention56-cifar"
STEPS = 30  # of the short run
EQUAL = ("final_weights_digest", "final_slots_digest", "tape_digest")  # of two runs that are one
DESCRIPTION = f"""\
On each framework that sees a GPU: hold {NET} against the float64 arbiter at levels 1 to 3, and
train it on the digits for {STEPS} steps, twice, which must end with the same bits.
"""


def seen(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Ask each backend, in a process of its own, for the kinds of its devices and for a name."""
    found = {}
    for name in names:
        (found[name],) = stream(name, SEEN, [])
    return found


def chosen(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Give the backends that see a GPU.

    Raises:
        InputError: There is none.
    """
    names = [name for name, each in found.items() if each["kinds"][0] == backends.GPU]
    if not names:
        there = "; ".join(f"{name}: {', '.join(each['kinds'])}" for name, each in found.items())
        raise InputError(
            f"gpu: expected a framework that sees a GPU, and nothing has been checked. Found: "
            f"{there}"
        )
    return names


def climbed(name: str, precision: str, work: Path) -> Found:
    """Run levels 1 to 3 on a backend's GPU."""
    size = zoo.entry(NET).input_shape[:2]
    ladder = Ladder([name], work, default_references(), sessions.say, device=backends.GPU)
    return ladder.run(Case(NET, tuple(size), BATCH, precision=precision))


def said(found: Found) -> Iterator[str]:
    """Say what came of the levels, in a line each."""
    for result in found.results:
        worst = max(result.rhos, default=float("nan"))
        yield (
            f"{NET}, {found.case.precision}, level {result.level} on {result.backend}: "
            f"{result.verdict}, {len(result.rows)} tensors, worst rho {worst:.3g}"
        )
    for name, why in found.failures.items():
        yield f"{NET}, {found.case.precision} on {name}: failed: {why}"


def trained(name: str, precision: str, folder: Path) -> dict[str, Any]:
    """Train the net for a few steps on a backend's GPU, and give the run's record.

    Raises:
        InputError: It does not end well.
    """
    options = ("--backend", name, "--device", backends.GPU, "--precision", precision)
    length = ("--steps", str(STEPS), "--quiet", "--out", str(folder))
    command = [sys.executable, "-m", "ranparity.run", "--model", NET, *options, *length]
    done = subprocess.run(  # noqa: S603  (this same Python)
        command,
        env={**os.environ, "KERAS_BACKEND": name},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InputError(f"{name}: the run failed: {last_lines(done.stderr)}")
    return directory.read_run(folder)


def repeated(name: str, precision: str, folder: Path) -> list[str]:
    """Train twice on a backend's GPU; say what is not as it should be."""
    one, other = (trained(name, precision, folder / f"{name}-{n}") for n in (1, 2))
    device = one["environment"]["device"]
    loss = one["test_loss"]
    sessions.say(f"{NET}, {precision}, {STEPS} steps on {name}, {device}: test loss {loss:.4f}")
    faults = [f"{key} differs between two equal runs" for key in EQUAL if one[key] != other[key]]
    if device == backends.CPU:
        faults.append("the record says that the CPU computed")
    return [f"{name}, {precision}: {fault}" for fault in faults]


def main(argv: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 0 pass, 1 a failure, 2 no GPU or bad input."""
    parser = argparse.ArgumentParser(prog="python -m ranparity.parity.gpu", description=DESCRIPTION)
    add = parser.add_argument
    add("--backends", default=",".join(backends.NAMES), help="default: %(default)s")
    add(
        "--precisions",
        default=backends.PRECISIONS[0],
        metavar="NAME,...",
        help=f"of {', '.join(backends.PRECISIONS)}, with commas between them (default: "
        "%(default)s)",
    )
    add("--work", type=Path, default=Path("runs/ladder"), help="default: %(default)s")
    args = parser.parse_args(argv)
    precisions = args.precisions.split(",")
    for precision in precisions:
        if precision not in backends.PRECISIONS:
            known = ", ".join(backends.PRECISIONS)
            raise InputError(f"--precisions: expected some of {known}. Received: {precision!r}")
    there = seen(sessions.named(args.backends))
    faults = []
    for name in chosen(there):
        sessions.say(f"{name}: {there[name]['device']}")
        for precision in precisions:
            faults += _checked(name, precision, args.work)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _checked(name: str, precision: str, work: Path) -> list[str]:
    """Check a backend in a precision; say what is not as it should be."""
    found = climbed(name, precision, work)
    for line in said(found):
        sessions.say(line)
    faults = [] if found.verdict == "pass" else [f"{name}, {precision}: the ladder fails"]
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        return faults + repeated(name, precision, Path(folder))


if __name__ == "__main__":
    sys.exit(sessions.guarded(main))
