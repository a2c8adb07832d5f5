"""In the place of `python -m ranparity.run`: leaves a run directory, and ends as it is told to.

$STAND_IN is a JSON file: for a run's name how each of its processes ends, one after the other. What
is not told is `finish`.

    finish      a finished run, with the accuracy that $STAND_IN has under "accuracies", or .9
    refuse      as by bad input
    die         with status 1 and a few lines
    kill        by SIGKILL, from its own hand
    wait        waits for SIGTERM, and then ends as a run does, or for a minute
    deaf        waits, and heeds neither that nor Ctrl-C
    nothing     well, without a finished run
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

STARTED = "2026-05-04T03:02:01+00:00"


def main() -> int:
    parser = argparse.ArgumentParser()
    for option in ("--out", "--backend", "--seed"):
        parser.add_argument(option, required=True)
    args, _ = parser.parse_known_args()
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    told = json.loads(Path(os.environ["STAND_IN"]).read_text())
    run = read(folder)
    run["parts"].append({"pid": os.getpid(), "processors": processors()})
    run |= {"status": "running", "backend": os.environ["KERAS_BACKEND"], "argv": sys.argv[1:]}
    write(folder, run)
    ends = told.get(folder.name, [])
    how = ends[len(run["parts"]) - 1] if len(run["parts"]) <= len(ends) else "finish"
    status = ENDS[how](folder, run)
    if how == "finish":
        reached = told.get("accuracies", {}).get(folder.name, 0.9)
        write(folder, {**run, **finished(args.backend, int(args.seed)), "test_accuracy": reached})
    return status


def processors() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def read(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(FileNotFoundError):
        return dict(json.loads((folder / "run.json").read_text()))
    return {"parts": []}


def write(folder: Path, run: dict[str, Any]) -> None:
    beside = folder / "run.json.beside"
    beside.write_text(json.dumps(run))
    beside.replace(folder / "run.json")


def finished(backend: str, seed: int) -> dict[str, Any]:
    return {
        "status": "finished",
        "started": STARTED,
        "steps": 9,
        "test_loss": 0.25,
        "seconds": 2.0 + seed,
        "initial_weights_digest": f"{seed}" * 64,
        "tape_digest": f"{seed}" * 64,
        "final_weights_digest": "f" * 64,
        "final_slots_digest": "e" * 64,
        "environment": {"framework": f"{backend} 1.0", "threads": 1},
    }


def refuse(*_: Any) -> int:
    print("chatter\nranparity: --batch-size: expected 1 or more. Received: 0", file=sys.stderr)
    return 2


def die(*_: Any) -> int:
    print("Traceback\n  line\nMemoryError: no memory", file=sys.stderr)
    return 1


def kill(*_: Any) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def wait(folder: Path, run: dict[str, Any]) -> int:
    def end(*_: Any) -> None:
        write(folder, {**run, "status": "terminated"})
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, end)
    (folder / "waits").touch()
    time.sleep(60)
    return 0


def deaf(folder: Path, _: dict[str, Any]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    (folder / "waits").touch()
    time.sleep(60)
    return 0


ENDS = {
    "finish": lambda *_: 0,
    "nothing": lambda *_: 0,
    "refuse": refuse,
    "die": die,
    "kill": kill,
    "wait": wait,
    "deaf": deaf,
}

if __name__ == "__main__":
    sys.exit(main())
