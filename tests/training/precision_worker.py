"""Trains a tiny net in mixed precisions on one backend, for test_mixed.py.

Usage: python precision_worker.py FOLDER. On the backend of KERAS_BACKEND, in each precision: a run,
and the same killed and gone on with, in one of them with batches in parts that are computed twice;
steps that are left out; and what of it is in which type. Prints a line of JSON for each precision.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranparity.data import digest
from ranparity.errors import InputError
from ranparity.parity.endurance import differences
from ranparity.training import backends, checkpoint, directory, precisions, session, starting
from ranparity.training import variables as named
from ranparity.training.recipe import Recipe
from ranparity.training.scaling import Scaling
from ranparity.training.update import Update
from tests.training.test_session import TINY, TWO, dataset, killed, planned, trained, unwarned

BACKEND = os.environ["KERAS_BACKEND"]
HIGH = 2.0**19  # a scale from which the first steps are left out
KILLED_AT = 2  # of four steps
ONE = Recipe("one", (replace(TWO.stages[0], schedule=()),))
NESTEROV = Update("caffe-nesterov", 0.9, 1e-4)
DIVIDED = "float16"  # whose batches are in parts
PARTS: dict[str, Any] = {"accumulate": 2, "remat": True}


def resumed(folder: Path, **how: Any) -> dict[str, Any]:
    """Train undisturbed, and killed and gone on with; gives the run and what differs."""
    calm = trained(planned(folder / "calm", ONE, backend=BACKEND, **how))
    plan = planned(folder / "killed", ONE, backend=BACKEND, **how)
    with pytest.MonkeyPatch.context() as patch:
        earlier = killed(plan, KILLED_AT, patch)
    session.train(replace(plan, earlier=earlier), quiet=True, warn=unwarned)
    steps = [json.loads(line) for line in (calm / "steps.jsonl").read_text().splitlines()]
    saved = checkpoint.newest(calm, unwarned)
    assert saved
    types = {str(array.dtype) for array in (*saved.weights.values(), *saved.slots.values())}
    return {
        "differences": differences(calm, plan.folder),
        "run": directory.read_run(calm),
        "steps": steps,
        "types": sorted(types),
        "state": saved.state.scaling,
    }


def types_within(precision: str) -> dict[str, list[str]]:
    """The types of what each type of layer gives, and the weights that it computes with."""
    backends.start(BACKEND, precision)
    model = starting.network(TINY, "whole", 10)
    found: dict[str, set[str]] = {}
    for layer in model.layers:
        given = layer.output if isinstance(layer.output, list) else [layer.output]
        found.setdefault(type(layer).__name__, set()).update(str(x.dtype) for x in given)
    return {kind: sorted(types) for kind, types in found.items()}


def left_out(precision: str) -> dict[str, Any]:
    """Take a step whose gradients overflow, and one that does not."""
    backend, _ = backends.start(BACKEND, precision)
    model = starting.network(TINY, "whole", 10)
    named.initialise(model, planned(Path("unused")).tape)
    trainer = backend.trainer(model, NESTEROV, scaled=True)
    data = dataset()
    images = data.train.read(np.arange(4)).astype(np.float32) / 255
    targets = np.eye(10, dtype=np.float32)[:4]
    digests = []
    for scale in (1.0, 2.0**60, 1.0):
        trainer.scaling = Scaling(scale)
        loss = trainer.step(images, targets, NESTEROV.scalars(0, 0.01))
        assert np.isfinite(loss)
        digests.append(digest.of_named_arrays({**trainer.weights(), **trainer.slots()}))
    assert trainer.scaling
    return {"digests": digests, "scaling": trainer.scaling.to_json()}


def main(folder: Path) -> None:
    module: Any = backends.loaded(BACKEND)
    for precision in precisions.MIXED:
        place = folder / precision
        report: dict[str, Any] = {"precision": precision}
        try:
            how = PARTS if precision == DIVIDED else {}
            report["run"] = resumed(place / "run", precision=precision, **how)
        except InputError as error:
            print(json.dumps(report | {"refused": str(error)}), flush=True)
            continue
        report["types"] = types_within(precision)
        if precisions.is_scaled(precision):
            report["left_out"] = left_out(precision)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "Scaling", lambda: Scaling(HIGH))
                report["high"] = resumed(place / "high", precision=precision)
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
