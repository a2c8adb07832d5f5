"""Runs what a report shows (checks, alterations, the ladder, trainings), and gives the records.

Backends go one after the other, each in a process of its own. What fails becomes a record that
says why, so that one backend does not cost the others their evidence. Nothing is written into the
reports folder here, so whoever interrupts loses nothing that was there.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity.alterations import prove, prove_live
from ranparity.parity.check import evidence
from ranparity.report.alteration_record import ALTERATIONS, SIDES
from ranparity.report.ladder_record import QUICK
from ranparity.report.reading import MalformedError, parse_record
from ranparity.report.records import RUN_FILES
from ranparity.training import backends, environment
from ranparity.training.directory import MASKS, MASKS_PICTURE
from ranparity.workers import WorkerError, ending

# One net of each kind.
ALTERED = ("attention56", "attentionnext56", "dranet-cifar", "dranet-cifar-diversity")
MODEL, DATA = "attention56-cifar", "digits"
RUNS = Path("runs")
NEEDS_DEVICE = ("device", "threads", "switches")  # structure is traced, and computes nothing
# What a worker may end with that is no fault of this process: it died, or printed other things.
WORKER_FAULTS = (WorkerError, InputError, ValueError, KeyError, TypeError, AttributeError)

Say = Callable[[str], None]


def collect(names: Sequence[str], say: Say) -> dict[str, bytes]:
    """Collects all evidence.

    Args:
        names: The backends.
        say: Is told what is going on, a line at a time.

    Returns:
        The records' files by their path relative to the reports folder.
    """
    records: dict[str, bytes] = {}
    for name in names:
        records |= _one(f"data/check-{name}.json", _check, name, say)
    usable = next((name for name in names if not _missing(name)), names[0])
    records |= _one(ALTERATIONS, _alterations, usable, say)
    records |= ladder([name for name in names if not _missing(name)], RUNS / "report-ladder", say)
    for name in names:
        records |= train(name, RUNS / f"report-{name}", say)
    records |= train(usable, RUNS / f"report-{usable}-twin1", say, twin=1)
    return records | masks(usable, RUNS / f"report-{usable}", records, say)


def _one(
    path: str, find: Callable[[str, Say], dict[str, Any]], backend: str, say: Say
) -> dict[str, bytes]:
    """Gives one record, or one that says why there is none."""
    start = time.perf_counter()
    try:
        found = find(backend, say)
        found |= {"seconds": round(time.perf_counter() - start, 1), "environment": _place(backend)}
    except WORKER_FAULTS as error:
        found = {"error": _reason(error)}
        say(f"{backend}: FAILED: {found['error']}")
    return {path: _json({"backend": backend} | found)}


def _check(backend: str, say: Say) -> dict[str, Any]:
    say(f"{backend}: checking {len(zoo.ENTRIES)} nets against their prototxts")
    _refuse_missing(backend)
    found = evidence(list(zoo.ENTRIES.values()), backend)
    passed = sum(result["verdict"] == "pass" for result in found["results"])
    say(f"{backend}: {passed} of {len(found['results'])} nets pass, {found['seconds']} s")
    return found


def _alterations(backend: str, say: Say) -> dict[str, Any]:
    say(f"{backend}: altering {' and '.join(ALTERED)} to see that the check can fail")
    _refuse_missing(backend)
    entries = [zoo.entry(name) for name in ALTERED]
    found = {}
    for side, prover in zip(SIDES, (prove, prove_live), strict=True):
        proofs = list(prover(entries, backend))
        found[side] = [proof.to_json() for proof in proofs]
        tried, caught = (sum(getattr(p, what) for p in proofs) for what in ("tried", "found"))
        say(f"{backend}: {side}: {caught} of {tried} alterations found")
    return found


def _refuse_missing(backend: str) -> None:
    if reason := _missing(backend):
        raise InputError(reason)


def _missing(backend: str) -> str:
    """Why a backend cannot be used; empty if it can."""
    try:
        backends.choose(backend, {})
    except InputError as error:
        return str(error).removeprefix("--backend: ")
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, WorkerError | InputError):
        return str(error)
    return f"unreadable record: {type(error).__name__}: {error}"


def _place(backend: str) -> dict[str, Any]:
    """Where a check was made, as far as it matters to structure."""
    described = environment.describe(backend, "", {"threads": 0})
    return {key: value for key, value in described.items() if key not in NEEDS_DEVICE}


def ladder(names: Sequence[str], folder: Path, say: Say) -> dict[str, bytes]:
    """Runs levels 1 to 3 of the ladder on a net; gives their record."""
    if not names:
        return {QUICK: _json({"error": "no backend is installed"})}
    say(f"{', '.join(names)}: levels 1 to 3 of the ladder on {MODEL}")
    record = folder / Path(QUICK).name
    record.unlink(missing_ok=True)
    places = ("--out", str(folder), "--work", str(folder / "tensors"))
    options = ("--quick", "--backends", ",".join(names), *places)
    reason = _carried_out("ranparity.parity.ladder.nets", *options, backend=names[0], say=say)
    if record.is_file():  # which says by itself what has failed
        return {QUICK: record.read_bytes()}
    say(f"ladder: FAILED: {reason}")
    return {QUICK: _json({"error": reason or "it has left no record"})}


def train(backend: str, folder: Path, say: Say, *, twin: int = 0) -> dict[str, bytes]:
    """Trains on a backend; gives the record's files without the weights.

    Args:
        backend: Its name.
        folder: The run directory.
        say: Is told what is going on.
        twin: Which twin of the run, from 1; 0 is the run itself.
    """
    which = f"twin {twin} of {MODEL}" if twin else MODEL
    say(f"{backend}: training {which} on {DATA}, record in {folder}")
    before = _contents(folder)
    reason = _train(backend, folder, say, twin)
    after = _contents(folder)
    if not reason:
        reason = _damage(after)
    if reason:
        say(f"{backend}: FAILED: {reason}")
        after = _failed(backend, reason, after if after != before else {}, twin)
    return {f"data/runs/{folder.name}/{name}": content for name, content in after.items()}


def masks(backend: str, folder: Path, records: Mapping[str, bytes], say: Say) -> dict[str, bytes]:
    """Draws the attention masks of a training that has ended well.

    Returns:
        The drawing's record, or one that says why there is none; nothing if the training failed.
    """
    run = f"data/runs/{folder.name}"
    if json.loads(records[f"{run}/run.json"]).get("status") != "finished":
        return {}
    say(f"{backend}: drawing the attention masks of {folder}")
    options = ("masks", str(folder), "--backend", backend)
    reason = _carried_out("ranparity", *options, backend=backend, say=say)
    if reason:
        say(f"{backend}: FAILED: {reason}")
        return {f"{run}/{MASKS}": _json({"error": reason})}
    return {f"{run}/{name}": (folder / name).read_bytes() for name in (MASKS, MASKS_PICTURE)}


def _train(backend: str, folder: Path, say: Say, twin: int) -> str:
    """Runs the training; returns why it failed, or nothing."""
    which = ("--twin", str(twin)) if twin else ()
    what = ("--model", MODEL, "--data", DATA, "--backend", backend, *which)
    options = ("--overwrite", *what, "--out", str(folder))
    return _carried_out("ranparity.run", *options, backend=backend, say=say)


def _carried_out(module: str, *arguments: str, backend: str, say: Say) -> str:
    """Runs a module and passes on what it says; returns why it failed, or nothing."""
    command = [sys.executable, "-m", module, *arguments]
    variables = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    last: deque[str] = deque(maxlen=3)
    with subprocess.Popen(  # noqa: S603  (this same Python, arguments of our own making)
        command,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stderr or ():
                if line.strip():
                    last.append(line.strip())
                    say(f"  {backend}: {line.rstrip()}")
            status = process.wait()
        except KeyboardInterrupt:  # the process gets it too; a training says so in its record
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            raise
        finally:
            process.kill()
    return f"{ending(status)}: {' | '.join(last) or 'nothing on stderr'}" if status else ""


def _contents(folder: Path) -> dict[str, bytes]:
    """What there is of a run's record."""
    files = {name: folder / name for name in RUN_FILES}
    return {name: path.read_bytes() for name, path in files.items() if path.is_file()}


def _damage(files: Mapping[str, bytes]) -> str:
    """Why a record of a run that ended well cannot be used; empty if it can."""
    try:
        parse_record(files.get("run.json", b""))
    except MalformedError as fault:
        return f"unreadable record: run.json: {fault}"
    return ""


def _failed(backend: str, reason: str, files: dict[str, bytes], twin: int = 0) -> dict[str, bytes]:
    """A failed run's record: what it left, and the reason."""
    try:
        left = dict(json.loads(files["run.json"]))
    except (KeyError, ValueError, TypeError):
        left = {"model": MODEL, "backend": backend, "data": {"name": DATA}}
        left |= {"twin": twin} if twin else {}
    return files | {"run.json": _json(left | {"status": "failed", "error": reason})}


def _json(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(schema.versioned(record), indent=1) + "\n").encode()
