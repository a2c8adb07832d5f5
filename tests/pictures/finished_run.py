"""Finished runs of nets that are small enough to build in a second, with drawn weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ranparity.data import digest, normalisation
from ranparity.data.tape import Tape
from ranparity.models import zoo
from ranparity.models.entry import Entry
from ranparity.training import variables
from tests.commands.small_net import CLASSES, SIDE, dataset


def dranet() -> Entry:
    """A DRA-Net of a few features, for the images of `small_net`."""
    return dataclasses.replace(
        zoo.entry("dranet-cifar@64"), name="small-dranet", input_shape=(SIDE, SIDE, 3)
    )


def stages(weights: str) -> list[dict[str, Any]]:
    """What a run.json says of two stages, the second of which ended with some weights."""
    first = {"name": "first", "part": "whole", "test_accuracy": 0.25}
    last = {"name": "last", "part": "whole", "final_weights_digest": weights}
    return [first, {**last, "test_accuracy": 0.75}]


def write(folder: Path, entry: Entry, **changes: Any) -> Path:
    """Writes a run directory whose weights are drawn; keys of its run.json can be changed."""
    folder.mkdir(parents=True, exist_ok=True)
    model = entry.build(input_shape=(SIDE, SIDE, 3), classes=CLASSES, classifier_activation=None)
    values = variables.initialise(model, Tape(1))
    model.save_weights(folder / "final.weights.h5")
    normalisation.fit("channel-mean", dataset()).save(folder / "normalisation.npz")
    run = {
        "model": entry.name,
        "backend": "jax",
        "status": "finished",
        "precision": "float32",
        "data": {**dataset().describe(), "source": "squares", "partial": True},
        "final_weights_digest": digest.of_named_arrays(values),
        "stages": stages(digest.of_named_arrays(values)),
    }
    (folder / "run.json").write_text(json.dumps(run | changes))
    return folder
