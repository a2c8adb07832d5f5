"""What is to be done: a run as a process of its own, and what is told of it."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ranparity.errors import InputError
from ranparity.matrix.plan import Run
from ranparity.training import directory

PROGRAM = ("-m", "ranparity.run")
TRIES = 3  # processes that a run may have, where they are killed or die
GRACE = 60.0  # seconds that a run has to end its step and write it down


@dataclass(frozen=True)
class Job:
    """A run to be begun, or to be gone on with from its checkpoint.

    Attributes:
        name: The run's.
        backend: The Keras backend of its process.
        folder: The run directory.
        arguments: Of the program.
        program: What Python runs: `-m` and a module, or a file.
    """

    name: str
    backend: str
    folder: Path
    arguments: tuple[str, ...]
    program: tuple[str, ...] = PROGRAM

    @property
    def command(self) -> tuple[str, ...]:
        """What is run."""
        return (sys.executable, *self.program, *self.arguments)

    @property
    def variables(self) -> dict[str, str]:
        """What its process has in its environment."""
        return {"KERAS_BACKEND": self.backend, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def record(self) -> dict[str, Any] | None:
        """Give its `run.json`, if it has been begun and can be read."""
        with contextlib.suppress(InputError):
            return directory.read_run(self.folder)
        return None

    @property
    def finished(self) -> bool:
        """Whether it has been carried out."""
        return (self.record() or {}).get("status") == "finished"


def job(run: Run, folder: Path, program: tuple[str, ...] = PROGRAM) -> Job:
    """Give what begins a run of a plan, or goes on with it.

    Args:
        run: The run.
        folder: That of all runs.
        program: What is run.
    """
    place = (folder / run.name).absolute()
    arguments = ("--resume", "--quiet", "--json", "--out", str(place), *run.arguments)
    return Job(run.name, run.backend, place, arguments, program)


@dataclass(frozen=True)
class Event:
    """Something that has become of a job.

    Attributes:
        job: Which.
        kind: It has begun; its process has been killed or has died, and it is to go on; it has
            ended; or another process is writing its run, for whose end it waits.
        tries: How many processes it has had.
        said: Why it failed, or nothing.
    """

    job: Job
    kind: Literal["begun", "again", "ended", "held"]
    tries: int
    said: str = ""
