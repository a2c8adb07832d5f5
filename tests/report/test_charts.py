from __future__ import annotations

from dataclasses import replace

from ranparity.report import charts
from ranparity.report.logs import Epoch, Step
from ranparity.report.run_record import read_run
from ranparity.report.runs import FinishedRun
from tests.report import samples


def run(backend: str) -> FinishedRun:
    found = read_run(backend, samples.run_files(backend))
    assert isinstance(found, FinishedRun)
    return found


def runs() -> dict[str, FinishedRun]:
    return {backend: run(backend) for backend in samples.BACKENDS}


def staged(*stages: str) -> FinishedRun:
    """A run of steps in these stages, each an epoch of its own, with losses 1, 2, 3, ..."""
    steps = tuple(Step(stage, float(n), "d", 1.0) for n, stage in enumerate(stages, start=1))
    rows = enumerate(stages, start=1)
    epochs = tuple(Epoch(stage, 1, place, 0.1, 0.5, 0.9) for place, stage in rows)
    return replace(run("torch"), steps=steps, epochs=epochs)


def test_every_loss_and_accuracy_is_a_point() -> None:
    assert [len(curve.y) for curve in charts.loss(runs()).curves] == [60] * 3
    chart = charts.accuracy(runs(), 0.95)
    assert [list(curve.y) for curve in chart.curves] == [[0.5, 0.75, 0.875]] * 3
    assert (chart.level, chart.percent) == (0.95, True)


def test_the_distance_is_that_of_backends_or_of_runs_of_one() -> None:
    assert charts.distance(runs()).title == "How far the losses of two backends are apart"
    alike = {"one": run("torch"), "other": run("torch"), "jax": run("jax")}
    assert charts.distance(alike).title == "How far the losses of two runs are apart"


def test_the_distance_is_the_largest_difference_of_two_losses() -> None:
    (curve,) = charts.distance(runs()).curves
    losses = [samples.steps(backend)[9]["loss"] for backend in samples.BACKENDS]
    assert curve.y[9] == max(losses) - min(losses)


def test_the_distance_ends_where_a_run_is_in_another_stage() -> None:
    (curve,) = charts.distance({"a": staged("x", "x", "y"), "b": staged("x", "y")}).curves
    assert list(curve.y) == [0.0]


def test_a_new_stage_of_any_run_is_marked() -> None:
    found = {"a": staged("x", "x", "y", "z"), "b": staged("x", "y", "y", "z")}
    assert charts.loss(found).breaks == charts.accuracy(found, None).breaks == (2, 3, 4)
    assert charts.loss(runs()).breaks == ()


def test_the_chart_is_described_in_words() -> None:
    assert charts.describe(charts.loss(runs())) == (
        "Training loss of each step: torch from 2.2 to 0.11 in 60 steps; "
        "tensorflow from 2.2 to 0.12 in 60 steps; jax from 2.2 to 0.11 in 60 steps."
    )
    assert charts.describe(charts.loss({"a": staged("x", "y")})) == (
        "Training loss of each step: a from 1 to 2 in 2 steps; a new stage from step 2 on."
    )
    assert charts.describe(charts.accuracy({"a": staged("x")}, None)) == (
        "Test accuracy after each epoch: a from 50.0 % to 50.0 % in 1 epoch."
    )


def test_another_number_gives_another_fingerprint() -> None:
    one, other = (charts.loss({"a": staged(*stages)}) for stages in ("xx", "xxx"))
    assert charts.fingerprint(one) != charts.fingerprint(other)
    assert charts.fingerprint(one) == charts.fingerprint(charts.loss({"a": staged(*"xx")}))
