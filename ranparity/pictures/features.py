"""The features of a finished run of DRA-Net, before aggregation (f) and after it (z)."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity import schema
from ranparity.data import digest
from ranparity.data.dataset import Images, Labels
from ranparity.errors import InputError
from ranparity.pictures import embedding
from ranparity.pictures.attention import batched
from ranparity.pictures.measures import inter_class_distance, intra_class_compactness
from ranparity.pictures.opening import Finished
from ranparity.training.variables import Model

SIDES = ("before", "after")  # aggregation: f, which is the backbone's output, and z

Features = NDArray[np.float64]


def check(run: Finished) -> None:
    """Raise `InputError` unless a run's network has features before and after aggregation."""
    entry = run.trained.entry
    if run.trained.part == "features":
        raise InputError(
            f"{run.folder}: expected a run whose last stage trained the aggregation. Received: one "
            "that trained the backbone alone, which has features before it only"
        )
    if "aggregation" not in entry.parts:
        raise InputError(
            f"{run.folder}: expected a run of a DRA-Net, whose features are aggregated. "
            f"Received: a run of {entry.name}"
        )


def representations(
    model: Model, batches: Iterable[tuple[Images, Labels]], size: int
) -> tuple[dict[str, Features], Labels]:
    """Give the features of images in inference mode, each of shape (N, D), by side; and the labels.

    Args:
        model: A DRA-Net.
        batches: Normalised images, NHWC, with their classes.
        size: Images at a time.

    Raises:
        InputError: A feature is no finite number.
    """
    dranet = importlib.import_module("ranparity.models.dranet")
    inner = dranet.representations(model)
    found: list[tuple[Any, ...]] = []
    for images, labels in batches:
        parts = [inner.predict_on_batch(batch) for batch in batched(images, size)]
        sides = (np.concatenate(side)[: len(labels)] for side in zip(*parts, strict=True))
        found.append((*sides, labels))
    *features, labels = (np.concatenate(each) for each in zip(*found, strict=True))
    for side in features:
        if not np.isfinite(side).all():
            raise InputError(f"features of {model.name}: they are not all finite numbers")
    exact = (side.astype(np.float64) for side in features)
    return dict(zip(SIDES, exact, strict=True)), labels


def record(
    run: Finished,
    backend: str,
    features: Mapping[str, Features],
    labels: Labels,
    drawn: int,
    environment: dict[str, Any],
    *,
    show: bool = False,
) -> dict[str, Any]:
    """Give what `features.json` holds, but for the names of the classes.

    Args:
        run: Whose features they are.
        backend: On what they were computed.
        features: Of all held-out images, by side.
        labels: Their classes.
        drawn: How many images the picture has at most.
        environment: Where that was.
        show: Show progress on stderr.
    """
    from tqdm import tqdm

    chosen = embedding.spread(len(labels), drawn)
    sides = tqdm(SIDES, desc="t-SNE", disable=not show, leave=False)
    return schema.versioned(
        {
            **run.describe(backend),
            "images": len(labels),
            **{side: _figures(features[side], labels, _accuracy(run, side)) for side in SIDES},
            "tsne": {
                "seed": embedding.SEED,
                "perplexity": embedding.perplexity(len(chosen)),
                "library": f"scikit-learn {metadata.version('scikit-learn')}",
                "images": chosen.tolist(),
                "labels": labels[chosen].tolist(),
                **{side: embedding.tsne(features[side][chosen]).tolist() for side in sides},
            },
            "environment": environment,
        }
    )


def _figures(features: Features, labels: Labels, accuracy: float | None) -> dict[str, Any]:
    return {
        "intra_class_compactness": intra_class_compactness(features, labels),
        "inter_class_distance": inter_class_distance(features, labels),
        "accuracy": accuracy,
        "width": features.shape[1],
        "digest": digest.of_arrays([features]),
    }


def _accuracy(run: Finished, side: str) -> float | None:
    """Give the test accuracy after the first stage, or the last; None if that is not recorded.

    The first stage trains the backbone with a classifier of its own, so it is what f is good for.
    """
    stages = run.run.get("stages")
    if not isinstance(stages, list) or len(stages) < len(SIDES):
        return None
    stage = stages[0 if side == "before" else -1]
    found = stage.get("test_accuracy") if isinstance(stage, dict) else None
    return float(found) if isinstance(found, (int, float)) else None
