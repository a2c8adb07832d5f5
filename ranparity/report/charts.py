"""What the curves of trainings show, as numbers and in words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ranparity.report.logs import same_steps
from ranparity.report.runs import FinishedRun
from ranparity.report.words import plural

Runs = Mapping[str, FinishedRun]


@dataclass(frozen=True)
class Curve:
    """A line.

    Attributes:
        label: How its legend calls it.
        x: Where it is: a step or an epoch, from 1.
        y: How high.
        looks: Its colour and marker, by number, and whether it is a variant of another with
            these; by its place among the others if nothing is said.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    looks: tuple[int, bool] | None = None


@dataclass(frozen=True)
class Chart:
    """A set of curves, what the axes are, and where the legend is.

    `level` is a line across, `breaks` are lines down: where x is the first of a new stage. `unit`
    is what a line has many of, if that is not what x counts.
    """

    title: str
    x_label: str
    curves: tuple[Curve, ...]
    legend: Literal["upper right", "lower right", "above"] = "upper right"
    percent: bool = False
    level: float | None = None
    breaks: tuple[int, ...] = ()
    unit: str = ""


def loss(runs: Runs) -> Chart:
    """The training loss of each step."""
    curves = (
        Curve(label, range(1, len(run.steps) + 1), [step.loss for step in run.steps])
        for label, run in runs.items()
    )
    breaks = _breaks([step.stage for step in run.steps] for run in runs.values())
    return Chart("Training loss of each step", "step", tuple(curves), breaks=breaks)


def distance(runs: Runs) -> Chart:
    """For each step that all runs made, the largest difference of two losses."""
    rows = same_steps(run.steps for run in runs.values())
    losses = [[step.loss for step in row] for row in rows]
    values = [max(alike) - min(alike) for alike in losses]
    curve = Curve("largest difference", range(1, len(values) + 1), values)
    what = "runs" if len({run.backends for run in runs.values()}) < len(runs) else "backends"
    return Chart(f"How far the losses of two {what} are apart", "step", (curve,))


def accuracy(runs: Runs, required: float | None) -> Chart:
    """The test accuracy after each epoch."""
    curves = (
        Curve(label, range(1, len(run.epochs) + 1), [epoch.test_accuracy for epoch in run.epochs])
        for label, run in runs.items()
    )
    level = f" (dotted: {100 * required:.0f} %)" if required is not None else ""
    title = f"Test accuracy after each epoch{level}"
    breaks = _breaks([epoch.stage for epoch in run.epochs] for run in runs.values())
    return Chart(
        title=title,
        x_label="epoch",
        curves=tuple(curves),
        legend="lower right",
        percent=True,
        level=required,
        breaks=breaks,
    )


def _breaks(runs: Iterable[Sequence[str]]) -> tuple[int, ...]:
    """The places, from 1, where any run comes to another stage, by the stages of each place."""
    found = {
        place
        for stages in runs
        for place, (before, stage) in enumerate(pairwise(stages), start=2)
        if stage != before
    }
    return tuple(sorted(found))


def describe(chart: Chart) -> str:
    """The chart in words: its title, and where each line starts and ends."""
    ends = (
        f"{curve.label} from {_value(chart, curve.y[0])} to {_value(chart, curve.y[-1])} "
        f"in {plural(len(curve.y), chart.unit or chart.x_label)}"
        for curve in chart.curves
        if curve.y
    )
    stages = "".join(f"; a new stage from {chart.x_label} {place} on" for place in chart.breaks)
    return f"{chart.title}: {'; '.join(ends)}{stages}."


def _value(chart: Chart, value: float) -> str:
    return f"{100 * value:.1f} %" if chart.percent else f"{value:.2g}"


def fingerprint(chart: Chart) -> str:
    """SHA-256 of what a chart draws: its words and its numbers, each to the last bit."""
    return hashlib.sha256(repr(chart).encode()).hexdigest()
