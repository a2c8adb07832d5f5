"""Records of pictures of a run, made for the tests: whole, to be spoilt one thing at a time."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from PIL import Image

from tests.report import samples

RUN = "data/runs/report-torch"
MASKS, FEATURES = f"{RUN}/masks.json", f"{RUN}/features.json"


def png(colour: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 4), (colour, 0, 0)).save(file, "PNG")
    return file.getvalue()


def _of(backend: str) -> dict[str, Any]:
    return {
        "model": "a-net",
        "data": samples.DATA,
        "backend": "jax",
        "trained_on": backend,
        "precision": "float32",
        "weights_digest": samples.run(backend)["final_weights_digest"],
        "environment": samples.ENVIRONMENT,
    }


def masks(backend: str = "torch") -> dict[str, Any]:
    figures = {"min": 0.125, "mean": 0.5, "max": 0.875, "std": 0.25}
    module = {"name": "AttentionA_1", "stage": 1, "shape": [32, 32, 64]}
    other = {"name": "AttentionB_1", "stage": 2, "shape": [16, 16, 128]}
    return {
        **_of(backend),
        "images": [{"held_out": 4, "class": "7", "digest": "0"}, {"file": "a.png", "digest": "1"}],
        "saturated_within": 0.01,
        "modules": [
            {**module, "mask": {**figures, "saturated": 0.0625}},
            {**other, "mask": {**figures, "saturated": None}},
        ],
        "picture": {"file": "masks.png", "digest": hashlib.sha256(png()).hexdigest()},
    }


def features(backend: str = "torch") -> dict[str, Any]:
    places = [[0.0, 1.5], [2.0, -1.0], [0.25, 1.75], [2.5, -1.25]]
    return {
        **_of(backend),
        "images": 360,
        "class_names": ["cat", "dog"],
        "before": {
            "intra_class_compactness": 3.25,
            "inter_class_distance": 0.5,
            "accuracy": 0.875,
            "width": 512,
            "digest": "b",
        },
        "after": {
            "intra_class_compactness": 1.25,
            "inter_class_distance": 0.75,
            "accuracy": None,
            "width": 512,
            "digest": "a",
        },
        "tsne": {
            "seed": 123,
            "perplexity": 1.0,
            "library": "scikit-learn 1.9.1",
            "images": [0, 1, 2, 3],
            "labels": [0, 1, 0, 1],
            "before": places,
            "after": [[2 * x, y] for x, y in places],
        },
    }


def reports() -> samples.Files:
    """All records, and with them those of pictures of one run."""
    return samples.reports() | {
        MASKS: samples.encoded(masks()),
        FEATURES: samples.encoded(features()),
        f"{RUN}/masks.png": png(),
    }
