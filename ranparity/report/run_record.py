"""The record of one training, as its run directory holds it, read with care."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence

from ranparity.data import digest
from ranparity.report.logs import read_epochs, read_steps
from ranparity.report.reading import Fields, MalformedError, parse_record
from ranparity.report.runs import FailedRun, FinishedRun, Part, Run, Task

TAPE = "tape"  # as `ranparity.training.starting` has it, which loads too much for here


def read_run(name: str, files: Mapping[str, bytes | None]) -> Run:
    """Reads a run's files: run.json, steps.jsonl, epochs.csv; one that is not there is None."""
    path = f"data/runs/{name}/run.json"
    try:
        fields = _parsed("run.json", files["run.json"])
    except MalformedError as fault:
        return FailedRun(name, path, str(fault))
    try:
        _refuse_unfinished(fields)
        return _finished(name, path, fields, files)
    except MalformedError as fault:
        return _failed(name, path, fields, str(fault))


def _parsed(file: str, content: bytes | None) -> Fields:
    if content is None:
        raise MalformedError(f"{file}: no such file in the record")
    try:
        return parse_record(content)
    except MalformedError as fault:
        raise MalformedError(f"{file}: {fault}") from None


def _refuse_unfinished(fields: Fields) -> None:
    """Raises for a run that says itself that it has no result."""
    if fields.has("error"):
        raise MalformedError(fields.text("error"))
    status = fields.text("status")
    if status != "finished":
        reason = f": {fields.text('reason')}" if fields.has("reason") else ""
        raise MalformedError(f'its status is "{status}", not "finished"{reason}')


def _failed(name: str, path: str, fields: Fields, reason: str) -> FailedRun:
    """A failed run, with what its record says of itself all the same."""
    known = {}
    for key in ("backend", "model"):
        with contextlib.suppress(MalformedError):
            known[key] = fields.text(key)
    with contextlib.suppress(MalformedError):
        known["data"] = fields.fields("data").text("name")
    task = None
    with contextlib.suppress(MalformedError):
        task = _task(fields)
    twin = 0
    with contextlib.suppress(MalformedError):
        twin = _optional(fields, "twin") or 0
    return FailedRun(name, path, reason, **known, task=task, twin=twin)


def _finished(
    name: str, path: str, fields: Fields, files: Mapping[str, bytes | None]
) -> FinishedRun:
    steps = read_steps(files["steps.jsonl"], _stages(fields))
    if len(steps) != fields.count("steps"):
        raise MalformedError(
            f"steps.jsonl: {len(steps)} steps, where run.json has {fields.count('steps')}"
        )
    run = FinishedRun(
        id=name,
        path=path,
        backend=fields.text("backend"),
        parts=_parts(fields, len(steps)),
        task=_task(fields),
        data_digest=fields.fields("data").text("digest"),
        initial_weights_digest=fields.text("initial_weights_digest"),
        tape_digest=fields.text("tape_digest"),
        final_weights_digest=fields.text("final_weights_digest"),
        final_slots_digest=fields.text("final_slots_digest"),
        steps=steps,
        epochs=read_epochs(files["epochs.csv"], steps),
        test_accuracy=fields.share("test_accuracy"),
        test_top5_accuracy=fields.share("test_top5_accuracy"),
        test_loss=fields.number("test_loss"),
        stopped_early=fields.flag("stopped_early"),
        seconds=fields.number("seconds"),
        seconds_per_step=fields.number("seconds_per_step"),
        seconds_waiting=fields.number("seconds_waiting_for_batches"),
        beside_steps=_beside_steps(fields),
        peak_memory=_optional(fields, "peak_memory_bytes"),
        environment=fields.environment(),
        planned_steps=_optional(fields, "planned_steps"),
        remat=fields.flag("remat") if fields.has("remat") else False,
        twin=_optional(fields, "twin") or 0,
    )
    _refuse_other_tape(run)
    return run


def _beside_steps(fields: Fields) -> float | None:
    if not fields.has("seconds_in_steps"):
        return None
    steps, beside = fields.number("seconds_in_steps"), fields.number("seconds_beside_steps")
    return beside / steps if steps > 0 else None


def _task(fields: Fields) -> Task:
    data, recipe = fields.fields("data"), fields.fields("recipe")
    return Task(
        model=fields.text("model"),
        data=data.text("name"),
        source=data.text("source"),
        partial=data.flag("partial"),
        train=data.count("train"),
        test=data.count("test"),
        recipe_name=recipe.text("name"),
        recipe=json.dumps(fields.mapping("recipe"), sort_keys=True),
        seed=fields.integer("seed"),
        precision=fields.text("precision"),
        start=_start(fields),
        parts=_divided(fields),
    )


def _divided(fields: Fields) -> int:
    """Into how many parts steps divide their batches, as the record says; 1 where it is silent."""
    if not fields.has("accumulate"):
        return 1
    parts = fields.fields("accumulate").count("parts")
    if not parts:
        raise MalformedError("accumulate: expected 1 or more as parts, found 0")
    return parts


def _start(fields: Fields) -> str:
    """What the first stage starts from; empty where that is the tape alone, as in older records."""
    if fields.has("starting_weights"):
        return fields.fields("starting_weights").text("file")
    given = fields.each("stages", lambda stage: stage.text("starting_weights"))
    return "" if not given or given[0] == TAPE else given[0]


def _stages(fields: Fields) -> Sequence[str]:
    """The names of the recipe's stages."""
    stages = fields.fields("recipe").each("stages", lambda stage: stage.text("name"))
    if not stages:
        raise MalformedError('recipe: expected a list of stages as "stages"')
    return stages


def _parts(fields: Fields, steps: int) -> tuple[Part, ...]:
    parts = fields.each("parts", _part)
    if not parts or parts[0].first_step != 1 or parts[-1].backend != fields.text("backend"):
        raise MalformedError(
            'expected as "parts" what each process did, from step 1 on and last on '
            f"{fields.text('backend')}"
        )
    beyond = [part.first_step for part in parts if not 1 <= part.first_step <= steps + 1]
    if beyond:
        raise MalformedError(f"parts: one begins with step {beyond[0]} of {steps}")
    return parts


def _part(fields: Fields) -> Part:
    return Part(fields.count("first_step"), fields.text("backend"), fields.environment())


def _optional(fields: Fields, key: str) -> int | None:
    """A number that is not known of every run, such as bytes where the system could not tell."""
    return fields.count(key) if fields.has(key) else None


def _refuse_other_tape(run: FinishedRun) -> None:
    """Raises if the log is not of the batches that the run says it has drawn."""
    drawn = [run.initial_weights_digest, *(step.batch_digest for step in run.steps)]
    if digest.of_texts(drawn) != run.tape_digest:
        raise MalformedError(
            "steps.jsonl: its batches and the initial weights do not have the tape_digest of "
            "run.json"
        )
