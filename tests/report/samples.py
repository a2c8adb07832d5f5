"""Records made for the tests: small, whole and all well, to be spoilt one thing at a time."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from ranparity.data import digest
from ranparity.models import zoo

BACKENDS = ("torch", "tensorflow", "jax")
STEPS, EPOCHS = 60, 3
ENVIRONMENT = {
    "python": "3.11.7",
    "ranparity": "0.1.0",
    "keras": "3.15.1",
    "numpy": "2.4.6",
    "platform": "Linux-x86_64",
    "processor": "A Processor",
    "source_digest": "5" * 64,
}
STAGE = {
    "name": "train",
    "epochs": EPOCHS,
    "batch_size": 64,
    "learning_rate": 0.05,
    "schedule": [[132, 0.1]],
}
RECIPE = {"name": "digits", "stages": [STAGE]}
DATA = {
    "name": "digits",
    "source": "digits",
    "digest": "d" * 64,
    "train": 1437,
    "test": 360,
    "classes": 10,
    "partial": False,
}
HOSTILE = (
    "<script>alert(1)</script> | `x` [a](javascript:b) **s** & \"q\" 'p' "
    "$\\frac$ \u202e\x1b www.a.b"
)

EPOCH_TITLES = "stage,epoch,step,train_loss,test_loss,test_accuracy,test_top5_accuracy,seconds\n"

Files = dict[str, bytes]


def sha(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def encoded(data: Any) -> bytes:
    return json.dumps(data).encode()


def net(entry: zoo.Entry) -> dict[str, Any]:
    """A result that passes."""
    return {
        "model": entry.name,
        "title": entry.title,
        "prototxt": f"prototxt/{entry.title}.prototxt",
        "origin": entry.origin,
        "errata": list(entry.release.errata),
        "sizes": ["224x224", "201x201"],
        "layers": entry.integers.layers,
        "blobs": entry.integers.layers + 1,
        "trainable_parameters": entry.integers.trainable_parameters,
        "parameters_with_statistics": entry.integers.parameters_with_statistics,
        "macs": entry.integers.macs,
        "compared": 1000,
        "paper": [
            {
                "what": "trainable_parameters",
                "where": "Table 2",
                "paper": "31.9 M",
                "here": entry.integers.trainable_parameters,
                "difference_percent": -0.28,
            }
        ],
        "adaptations": [],
        "differences": [],
        "verdict": "pass",
    }


def check(backend: str) -> dict[str, Any]:
    """Level 0 on a backend, all nets passing."""
    return {
        "backend": backend,
        "seconds": 11.2,
        "environment": ENVIRONMENT | {"framework": f"{backend} 1.0"},
        "results": [net(entry) for entry in zoo.ENTRIES.values()],
    }


def alterations() -> dict[str, Any]:
    """A proof with nothing missed."""
    proof = {"title": "Attention-56", "counts": {"pad": [118, 118], "stride": [7, 7]}, "missed": []}
    return {
        "backend": "torch",
        "seconds": 60.0,
        "environment": ENVIRONMENT | {"framework": "torch 1.0"},
        "prototxt": [proof],
        "live Keras model": [proof | {"counts": {"BN eps": [1, 1]}}],
    }


def run(backend: str) -> dict[str, Any]:
    """A finished run.json."""
    environment = ENVIRONMENT | {
        "framework": f"{backend} 1.0",
        "device": "cpu",
        "threads": 2,
        "switches": {"threads": 2, "deterministic": True},
    }
    return {
        "model": "attention56-cifar",
        "backend": backend,
        "recipe": RECIPE,
        "seed": 0,
        "precision": "float32",
        "data": DATA,
        "initial_weights_digest": sha("weights"),
        "tape_digest": tape(steps(backend)),
        "final_weights_digest": sha("final", backend),
        "final_slots_digest": sha("slots", backend),
        "steps": STEPS,
        "test_accuracy": 0.975,
        "test_top5_accuracy": 0.9975,
        "test_loss": 0.1,
        "stopped_early": False,
        "seconds": 120.5,
        "seconds_per_step": 0.5,
        "seconds_waiting_for_batches": 0.02,
        "seconds_in_steps": 100.0,
        "seconds_beside_steps": 0.5,
        "peak_memory_bytes": 1200 * 2**20,
        "status": "finished",
        "environment": environment,
        "parts": [{"first_step": 1, "backend": backend, "environment": environment}],
    }


def tape(rows: list[dict[str, Any]], initial: str = sha("weights")) -> str:
    """What run.json says of all that a run drew, by its steps and initial weights."""
    return digest.of_texts([initial, *(row["batch_digest"] for row in rows)])


def steps(backend: str, count: int = STEPS) -> list[dict[str, Any]]:
    """Lines of steps.jsonl; each backend's losses are a little off the others'."""
    offset = 1e-6 * len(backend)
    return [
        {
            "step": step,
            "stage": "train",
            "epoch": (step + 19) // 20,
            "loss": 2.3 * math.exp(-step / 20) + offset * step,
            "learning_rate": 0.05,
            "batch_digest": sha("batch", step),
            "seconds": 0.5,
        }
        for step in range(1, count + 1)
    ]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def epochs(count: int = EPOCHS) -> bytes:
    rows = (
        f"train,{epoch},{20 * epoch},0.5,0.4,{1 - 0.5**epoch},{1 - 0.25**epoch},20.0\n"
        for epoch in range(1, count + 1)
    )
    return (EPOCH_TITLES + "".join(rows)).encode()


def run_files(backend: str) -> Files:
    """The files of a run directory, weights left out."""
    return {
        "run.json": encoded(run(backend)),
        "steps.jsonl": lines(steps(backend)),
        "epochs.csv": epochs(),
    }


def twin_files(backend: str, twin: int, **changes: Any) -> Files:
    """The files of a twin of that run."""
    start = {"twin": twin, "initial_weights_digest": sha("twin"), **changes}
    files = {f"x/{name}": content for name, content in run_files(backend).items()}
    made = retaped(spoilt(files, "x/run.json", **start), "x")
    return {path.removeprefix("x/"): content for path, content in made.items()}


def endurance(backend: str) -> dict[str, Any]:
    """Runs killed nine times, that ended as if they had not been."""
    return {
        "backend": backend,
        "options": ["--steps", "60"],
        "seed": 0,
        "kills": {"checkpoint": 4, "step": 3, "moment": 2},
        "steps_at_kills": [0, 7, 13, 22, 31, 39, 44, 52, 57],
        "rounds": 2,
        "differences": [],
        "verdict": "same",
        "environment": run(backend)["environment"],
    }


def zoo_net(entry: zoo.Entry) -> dict[str, Any]:
    """A net that was run and passes."""
    assert entry.integers is not None
    return {
        "model": entry.name,
        "title": entry.title,
        "parameters": entry.integers.trainable_parameters,
        "initial_weights_digest": sha("weights", entry.name),
        "image_digest": sha("image"),
        "logits": "1 -4 0.5",
        "faults": [],
        "compared": 1000,
        "differ": 0,
        "differences": [],
        "seconds": {"build": 0.5, "forward": 1.5, "level 0": 2.0},
        "verdict": "pass",
    }


def zoo_training(model: str) -> dict[str, Any]:
    """A short training that passes."""
    return {
        "model": model,
        "options": ["--data", "digits", "--epochs", "1"],
        "first_loss": 2.5,
        "last_loss": 1.5,
        "steps": 22,
        "test_accuracy": 0.25,
        "seconds": 30.0,
        "initial_weights_digest": sha("weights", model),
        "tape_digest": sha("tape", model),
        "faults": [],
        "verdict": "pass",
    }


def whole_zoo(backend: str) -> dict[str, Any]:
    """Every net run once, and two short trainings."""
    return {
        "backend": backend,
        "environment": ENVIRONMENT | {"framework": f"{backend} 1.0"},
        "nets": [zoo_net(entry) for entry in zoo.ENTRIES.values()],
        "trainings": [zoo_training(name) for name in ("attention56-cifar", "dranet-cifar")],
    }


def reports(backends: tuple[str, ...] = BACKENDS) -> Files:
    """All records of a reports folder in which everything passes."""
    files = {"data/alterations.json": encoded(alterations())}
    for backend in backends:
        files[f"data/check-{backend}.json"] = encoded(check(backend))
        files[f"data/endurance-{backend}.json"] = encoded(endurance(backend))
        for name, content in run_files(backend).items():
            files[f"data/runs/report-{backend}/{name}"] = content
    return files


def spoilt(files: Files, path: str, **changes: Any) -> Files:
    """The records with some keys of one file changed; a key set to None is taken out."""
    data = json.loads(files[path]) | changes
    return files | {path: encoded({key: value for key, value in data.items() if value is not None})}


def retaped(files: Files, folder: str) -> Files:
    """The records with the tape's digest of one run made to fit its steps and initial weights."""
    rows = [json.loads(line) for line in files[f"{folder}/steps.jsonl"].splitlines()]
    initial = json.loads(files[f"{folder}/run.json"])["initial_weights_digest"]
    return spoilt(files, f"{folder}/run.json", tape_digest=tape(rows, initial))
