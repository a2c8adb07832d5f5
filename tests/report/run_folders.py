"""Run directories on disk, made of the samples: whole, or off by what a test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.report import samples

Row = dict[str, Any]


def put(
    folder: Path,
    backend: str = "torch",
    *,
    step: Callable[[Row], Row] = dict,
    count: int = samples.STEPS,
    **changes: Any,
) -> Path:
    """Writes a finished run.

    Args:
        folder: Where.
        backend: Whose losses it has.
        step: Gives what is other in a line of steps.jsonl.
        count: How many steps it made.
        changes: Of run.json; a key set to None is taken out.
    """
    rows = [row | step(row) for row in samples.steps(backend, count)]
    run = samples.run(backend) | {"steps": count, "planned_steps": samples.STEPS} | changes
    run["tape_digest"] = samples.tape(rows, run["initial_weights_digest"])
    epochs = samples.epochs(count // 20)
    folder.mkdir(parents=True)
    kept = {key: value for key, value in run.items() if value is not None}
    (folder / "run.json").write_bytes(samples.encoded(kept))
    (folder / "steps.jsonl").write_bytes(samples.lines(rows))
    (folder / "epochs.csv").write_bytes(epochs)
    return folder


def put_twin(
    folder: Path, number: int = 1, backend: str = "torch", *, off: float = 1e-7, **changes: Any
) -> Path:
    """Writes a twin of `put`'s run whose losses are further off with each step."""
    return put(
        folder,
        backend,
        step=lambda row: {"loss": row["loss"] + off * row["step"]},
        twin=number,
        initial_weights_digest=samples.sha("weights of a twin", number),
        **changes,
    )
