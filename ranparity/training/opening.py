"""Opens the record of a run: begins it, or takes it up where a checkpoint has left it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ranparity.errors import InputError
from ranparity.training import checkpoint, precisions, starting, weights
from ranparity.training.checkpoint import Checkpoint
from ranparity.training.directory import RUN, read_run
from ranparity.training.plan import Plan
from ranparity.training.record import Record
from ranparity.training.scaling import RULE
from ranparity.training.starting import Start
from ranparity.training.variables import Model

Warn = Callable[[str], None]


def open_record(
    plan: Plan, record: Record, model: Model, part: dict[str, Any], warn: Warn
) -> tuple[Start | None, Checkpoint | None]:
    """Begin the record, or take it up.

    Args:
        plan: The run.
        record: Its directory.
        model: The first stage's network, which is set to its start.
        part: What this process is, for the record.
        warn: Is told of what is odd and no error.

    Returns:
        The start, which is None if the run needs it no more and its file has not been given again;
        and the checkpoint to go on from.
    """
    if plan.earlier is None:
        start = starting.first(plan, model, plan.weights)
        record.begin(_description(plan, start, part), plan.place, plan.normalisation)
        return start, None
    saved = checkpoint.newest(plan.folder, warn)
    begun = _begun(plan, model, needed=saved is None)
    _compare(plan, part, warn)
    if saved is None:
        warn(f"{plan.folder}: no whole checkpoint: starting from the first step")
    first = {"first_step": saved.state.step + 1 if saved else 1}
    parts = [*plan.earlier["parts"], {**first, **part}]
    earlier = {key: plan.earlier[key] for key in plan.earlier if key not in RESULTS}
    now = {key: part[key] for key in ("backend", "environment")}
    state = saved.state if saved else None
    record.go_on({**earlier, **now, "parts": parts}, plan.place, state)
    return begun, saved


def _begun(plan: Plan, model: Model, *, needed: bool) -> Start | None:
    """Give the start of a run that goes on, once it is seen to be the one that it had."""
    assert plan.earlier is not None  # noqa: S101  (it goes on)
    file, source = plan.earlier.get("starting_weights"), plan.weights
    if file and not source and needed:
        source = _again(plan, file)
    if file and not source:
        return None
    start = starting.first(plan, model, source)
    if file and (found := (start.file or {}).get("digest")) != file["digest"]:
        raise InputError(
            f"{source and source.path}: expected the weights that the run in {plan.folder} began "
            f"with, {file['file']} of digest {file['digest'][:12]}. Received: {str(found)[:12]}"
        )
    if start.digest != plan.earlier["initial_weights_digest"]:
        raise InputError(
            f"{plan.folder}: expected the initial weights "
            f"{plan.earlier['initial_weights_digest'][:12]}, and this version of ranparity draws "
            f"{start.digest[:12]}: go on with the version that began the run"
        )
    return start


def _again(plan: Plan, file: dict[str, Any]) -> weights.Source:
    """Give the file that a run began with, where this machine had it."""
    path = plan.place.get("weights")
    if not path or not Path(path).is_file():
        raise InputError(
            f"{plan.folder}: no whole checkpoint, and so the weights are needed that the run began "
            f"with, {file['file']} of digest {file['digest'][:12]}: say with --weights where they "
            "are"
        )
    return weights.find(Path(path))


def check_unchanged(plan: Plan) -> None:
    """Raise unless the run directory is as it was when the plan was made.

    Between that and the lock lies the reading of the data, in which another process may have begun
    a run, or ended one.
    """
    there = (plan.folder / RUN).exists()
    if plan.earlier is None and there and not plan.overwrite:
        raise InputError(f"{plan.folder}: another process has begun a run there since: start again")
    if plan.earlier is not None and read_run(plan.folder) != plan.earlier:
        raise InputError(f"{plan.folder}: another process has gone on with it since: start again")


def _compare(plan: Plan, part: dict[str, Any], warn: Warn) -> None:
    """Warn of what makes a run that goes on another than the undisturbed one."""
    assert plan.earlier is not None  # noqa: S101  (it goes on)
    before, now = plan.earlier["environment"], part["environment"]
    if before.get("source_digest") != now["source_digest"]:
        warn(f"{plan.folder}: the run was begun by another version of ranparity; both are recorded")
    if plan.earlier["backend"] == plan.backend:
        others = [name for name in now if name != "source_digest" and before.get(name) != now[name]]
        if others:
            warn(
                f"{plan.folder}: not what the run began with: {', '.join(others)}: it may end with "
                "other last bits than an undisturbed one; both are recorded"
            )


# What the end of a run adds to a run's description.
RESULTS = (
    "status",
    "reason",
    "steps",
    "tape_digest",
    "final_weights_digest",
    "final_slots_digest",
    "test_accuracy",
    "test_top5_accuracy",
    "test_loss",
    "skipped_steps",
    "stopped_early",
    "seconds",
    "seconds_per_step",
    "seconds_waiting_for_batches",
    "seconds_in_steps",
    "seconds_beside_steps",
    "peak_memory_bytes",
)


def _description(plan: Plan, start: Start, part: dict[str, Any]) -> dict[str, Any]:
    """Give what a run's record says from the start."""
    kept = plan.normalisation
    return {
        "model": plan.entry.name,
        "backend": plan.backend,
        "recipe": asdict(plan.recipe),
        "seed": plan.tape.seed,
        "precision": plan.precision,
        **({"loss_scaling": RULE} if precisions.is_scaled(plan.precision) else {}),
        **({"tf32": True} if plan.tf32 else {}),
        **({"remat": True} if plan.remat else {}),
        **_accumulated(plan),
        **({"twin": plan.twin} if plan.twin else {}),
        "started": part["started"],
        "data": {
            **plan.dataset.describe(),
            "normalisation": {"kind": kept.kind, "images": kept.images, "digest": kept.digest},
            **_label_noise(plan),
        },
        "planned_steps": plan.steps,
        **({"starting_weights": start.file} if start.file else {}),
        "initial_weights_digest": start.digest,
        "environment": part["environment"],
        "parts": [{"first_step": 1, **part}],
    }


PART_STATISTICS = "of each part; the moving ones move once a part"  # in the place of once a step


def _accumulated(plan: Plan) -> dict[str, Any]:
    """Give into how many parts steps divide their batches; nothing if they do not."""
    if plan.accumulate == 1:
        return {}
    return {"accumulate": {"parts": plan.accumulate, "batch_statistics": PART_STATISTICS}}


def _label_noise(plan: Plan) -> dict[str, Any]:
    """Give how many labels are wrong on purpose, in the stage with the most; nothing if none."""
    noisiest = max(plan.segments, key=lambda segment: segment.stage.label_noise)
    if not noisiest.stage.label_noise:
        return {}
    changed, labels = noisiest.batches.changed_labels, noisiest.batches.labels
    share = noisiest.stage.label_noise
    return {"label_noise": {"share": share, "changed": changed, "of": len(labels)}}
