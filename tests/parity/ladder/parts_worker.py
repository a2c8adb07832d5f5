"""Takes a step of a net whole and in parts, for test_parts.py.

Usage: python parts_worker.py FOLDER. Writes, on the backend of KERAS_BACKEND, evidence of levels 2
and 3 into a folder for each of its ways. The net has no batch statistics: its BN is frozen.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from ranparity.models import zoo
from ranparity.models.entry import Release
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.worker import Program
from ranparity.training import backends
from ranparity.training.backends import Backend, Trainer, apart

PARTS = 4
NET = "frozen@narrow"  # of a name that makes it a twin, which has no file
CASE = Case(NET, (16, 16), 8, levels=(2, 3), respect_frozen=True)
ORIGINAL = apart.step


class Frozen(Program):
    """A net whose BN is frozen in its prototxt too, which a twin's does not say."""

    def __init__(self, case: Case, backend: Backend) -> None:
        super().__init__(case, backend)
        self._text = self._text.replace("bn_param {", "bn_param {\n    frozen: true")


class Divided(Frozen):
    """A net whose step of level 3 is taken in parts."""

    how: dict[str, Any] = {"accumulate": PARTS}  # noqa: RUF012  (of all)

    @cached_property
    def bare(self) -> Trainer:
        return self._backend.trainer(self.model, self.update, **self.how)


class Twice(Divided):
    """The same, each part of which computes parts of the net twice."""

    how: dict[str, Any] = {"accumulate": PARTS, "remat": True}  # noqa: RUF012


def undivided(trainer: Any, *given: Any) -> float:
    """A fault: the parts' gradients are added up and not divided."""
    right = trainer.multiplied
    trainer.multiplied = lambda gradients, factor: right(gradients, factor * PARTS)
    try:
        return ORIGINAL(trainer, *given)
    finally:
        del trainer.multiplied


def without_last(trainer: Any, images: Any, targets: Any, scalars: Any, parts: int) -> float:
    """A fault: the last part is left out."""
    kept = len(images) // parts * (parts - 1)
    return ORIGINAL(trainer, images[:kept], targets[:kept], scalars, parts - 1)


WAYS: dict[str, tuple[type[Program], Callable[..., float]]] = {
    "whole": (Frozen, ORIGINAL),
    "parts": (Divided, ORIGINAL),
    "twice": (Twice, ORIGINAL),
    "undivided": (Divided, undivided),
    "without-last": (Divided, without_last),
}
COMPILED = ("parts", "without-last")
"""Those that are tried where each is compiled by itself, which takes long."""


def ways(backend: str) -> tuple[str, ...]:
    """Those that are tried on a backend."""
    return tuple(WAYS) if backend == "torch" else COMPILED


def main(folder: Path) -> None:
    frozen = Release(frozen=True)
    narrow = zoo.entry("resnet18-cifar@16")
    zoo.ENTRIES[NET] = dataclasses.replace(narrow, name=NET, title="Frozen", release=frozen)
    name = os.environ["KERAS_BACKEND"]
    backend, _ = backends.start(name)
    for way in ways(name):
        program, apart.step = WAYS[way]
        program(CASE.program, backend).run(CASE, folder / way, None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
