"""Opens the record of a run: begins it, or takes it up where a checkpoint has left it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ranparity.errors import InputError
from ranparity.training import checkpoint
from ranparity.training.checkpoint import Checkpoint
from ranparity.training.directory import RUN, read_run
from ranparity.training.plan import Plan
from ranparity.training.record import Record

Warn = Callable[[str], None]


def open_record(
    plan: Plan, record: Record, initial: str, part: dict[str, Any], warn: Warn
) -> Checkpoint | None:
    """Begin the record, or take it up; gives the checkpoint to go on from."""
    if plan.earlier is None:
        record.begin(_description(plan, initial, part), plan.place, plan.normalisation)
        return None
    if initial != plan.earlier["initial_weights_digest"]:
        raise InputError(
            f"{plan.folder}: expected the initial weights "
            f"{plan.earlier['initial_weights_digest'][:12]}, and this version of ranparity draws "
            f"{initial[:12]}: go on with the version that began the run"
        )
    _compare(plan, part, warn)
    saved = checkpoint.newest(plan.folder, warn)
    if saved is None:
        warn(f"{plan.folder}: no whole checkpoint: starting from the first step")
    first = {"first_step": saved.state.step + 1 if saved else 1}
    parts = [*plan.earlier["parts"], {**first, **part}]
    earlier = {key: plan.earlier[key] for key in plan.earlier if key not in RESULTS}
    now = {key: part[key] for key in ("backend", "environment")}
    state = saved.state if saved else None
    record.go_on({**earlier, **now, "parts": parts}, plan.place, state)
    return saved


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
    "stopped_early",
    "seconds",
    "seconds_per_step",
    "seconds_waiting_for_batches",
    "peak_memory_bytes",
)


def _description(plan: Plan, initial: str, part: dict[str, Any]) -> dict[str, Any]:
    """Give what a run's record says from the start."""
    kept = plan.normalisation
    return {
        "model": plan.entry.name,
        "backend": plan.backend,
        "recipe": asdict(plan.recipe),
        "seed": plan.tape.seed,
        "precision": plan.precision,
        "started": part["started"],
        "data": {
            **plan.dataset.describe(),
            "normalisation": {"kind": kept.kind, "images": kept.images, "digest": kept.digest},
        },
        "planned_steps": plan.steps,
        "initial_weights_digest": initial,
        "environment": part["environment"],
        "parts": [{"first_step": 1, **part}],
    }
