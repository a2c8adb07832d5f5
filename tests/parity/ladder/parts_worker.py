"""Takes a step of a net whole and in parts, for test_parts.py.

Usage: python parts_worker.py FOLDER. Writes, on the backend of KERAS_BACKEND, evidence of levels 2
and 3 into a folder for each of its ways. The net has no batch statistics: its BN is frozen.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ranparity.models import zoo
from ranparity.models.entry import Release
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.worker import Program
from ranparity.training import backends
from ranparity.training.backends import Backend, apart

PARTS = 4
NET = "frozen@narrow"  # of a name that makes it a twin, which has no file
CASE = Case(NET, (16, 16), 8, levels=(2, 3), respect_frozen=True)
ORIGINAL = apart.step


class Frozen(Program):
    """A net whose BN is frozen in its prototxt too, which a twin's does not say."""

    def __init__(self, case: Case, backend: Backend) -> None:
        super().__init__(case, backend)
        self._text = self._text.replace("bn_param {", "bn_param {\n    frozen: true")


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


DIVIDED: dict[str, Any] = {"accumulate": PARTS}
WAYS: dict[str, tuple[dict[str, Any], Callable[..., float]]] = {
    "whole": ({}, ORIGINAL),
    "parts": (DIVIDED, ORIGINAL),
    "twice": (DIVIDED | {"remat": True}, ORIGINAL),  # each part computes parts of the net twice
    "undivided": (DIVIDED, undivided),
    "without-last": (DIVIDED, without_last),
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
    program = Frozen(CASE.program, backend)
    for way in ways(name):
        how, apart.step = WAYS[way]
        program.bare = backend.trainer(program.model, program.update, **how)
        program.run(CASE, folder / way, None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
