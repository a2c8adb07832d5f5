from __future__ import annotations

import json
import math
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax

from ranparity.data import normalisation
from ranparity.data.batches import Batches
from ranparity.data.dataset import ArrayPart, Dataset, in_memory
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.training import checkpoint, recipe
from ranparity.training.interrupt import Stop
from ranparity.training.logs import Step, timeless
from ranparity.training.loop import Loop
from ranparity.training.progress import Quiet
from ranparity.training.record import Record
from ranparity.training.scaling import Scaling
from ranparity.training.update import Update

(DIGITS,) = recipe.named("digits").stages
STAGE = replace(DIGITS, batch_size=4, schedule=((3, 0.5),), learning_rate=0.1)


class Scripted:
    """Stands in for a model: notes what it is given, and answers by rule.

    Its loss is 1/n at the n-th step; its outputs are an image's numbers. Its one weight counts the
    steps.
    """

    def __init__(self, losses: list[float] | None = None) -> None:
        self.losses = losses or [1 / n for n in range(1, 100)]
        self.rates: list[float] = []
        self.labels: list[list[int]] = []
        self.stop: Stop | None = None
        self.stop_at = -1
        self.scaling: Scaling | None = None

    def step(self, images: NDArray[Any], targets: NDArray[Any], scalars: Any) -> float:
        assert len(images) == len(targets)
        self.rates += scalars
        self.labels.append(targets.argmax(axis=1).tolist())
        if len(self.rates) == self.stop_at:
            assert self.stop
            self.stop.ask(signal.SIGINT)
        return self.losses[len(self.rates) - 1]

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        return images.reshape(len(images), -1)

    def weights(self) -> dict[str, NDArray[Any]]:
        return {"steps": np.array([len(self.rates)])}

    def slots(self) -> dict[str, NDArray[Any]]:
        return {}


def dataset() -> Dataset:
    """Ten images for training and six held out, of which the model above gets four right."""
    test = np.zeros((6, 1, 3, 1), np.uint8)
    test[range(6), 0, [0, 1, 2, 0, 1, 2], 0] = 5
    train = np.arange(30, dtype=np.uint8).reshape(10, 1, 3, 1)
    return in_memory(
        "small",
        ArrayPart(np.arange(10) % 3, train),
        ArrayPart(np.array([0, 1, 2, 0, 0, 0]), test),
        ("a", "b", "c"),
    )


def loop(trainer: Any, folder: Path, stage: recipe.Stage = STAGE, **parts: Any) -> Loop:
    data = dataset()
    fitted = normalisation.fit("range", data)
    record = Record(folder)
    record.begin({}, {}, fitted)
    return Loop(
        trainer=trainer,
        update=Update(stage.update, stage.momentum, stage.weight_decay),
        batches=Batches(data, Tape(0), 4, fitted),  # two steps an epoch
        stage=stage,
        offset=0,
        record=record,
        progress=Quiet(),
        **{"stop": Stop(), **parts},
    )


def checkpoints(folder: Path) -> list[int]:
    names = sorted((folder / "checkpoints").glob("*.npz"))
    return [checkpoint.read(path).state.step for path in names]


def test_steps_epochs_and_rates(tmp_path: Path) -> None:
    trainer = Scripted()
    trained = loop(trainer, tmp_path)
    trained.run(0, 5)
    assert trainer.rates == [0.1, 0.1, 0.1, 0.05, 0.05]
    logged = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 5]
    assert [line["epoch"] for line in logged] == [1, 1, 2, 2, 3]
    assert [line["loss"] for line in logged] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert [line["learning_rate"] for line in logged] == trainer.rates
    expected = [trained.batches.at(step).digest for step in range(5)]
    assert [line["batch_digest"] for line in logged] == expected


def test_every_step_sees_its_batch(tmp_path: Path) -> None:
    trainer = Scripted()
    trained = loop(trainer, tmp_path)
    trained.run(0, 4)
    expected = [trained.batches.at(step).targets.argmax(axis=1).tolist() for step in range(4)]
    assert trainer.labels == expected


def test_an_epoch_ends_with_a_test_of_all_held_out_images(tmp_path: Path) -> None:
    trained = loop(Scripted(), tmp_path)
    trained.run(0, 3)
    first, last = trained.record.epochs
    assert (first.epoch, first.step, last.epoch, last.step) == (1, 2, 2, 3)
    assert (first.train_loss, last.train_loss) == (0.75, 1 / 3)
    assert (first.test_accuracy, first.test_top5_accuracy) == (4 / 6, 1)
    held_out = trained.batches.dataset.test
    pixels = held_out.read(np.arange(6)).reshape(6, 3)
    expected = -log_softmax(pixels / 127.5 - 1, axis=1)[range(6), held_out.labels].mean()
    assert math.isclose(first.test_loss, expected, rel_tol=1e-6)


def test_a_checkpoint_is_written_after_each_epoch_and_as_often_as_asked(tmp_path: Path) -> None:
    loop(Scripted(), tmp_path / "epochs").run(0, 5)
    assert checkpoints(tmp_path / "epochs") == [4, 5]
    loop(Scripted(), tmp_path / "steps", checkpoint_every=1).run(0, 4)
    assert checkpoints(tmp_path / "steps") == [3, 4]


def test_a_checkpoint_is_written_after_some_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ranparity.training.loop.CHECKPOINT_SECONDS", -1.0)
    loop(Scripted([1.0, 1.0, math.nan]), tmp_path)
    with pytest.raises(InputError):
        loop(Scripted([1.0, 1.0, 1.0, math.nan]), tmp_path / "timed").run(0, 4)
    assert checkpoints(tmp_path / "timed") == [2, 3]


def test_a_run_that_is_asked_to_end_does_after_the_step_with_a_checkpoint(tmp_path: Path) -> None:
    trainer = Scripted()
    trainer.stop, trainer.stop_at = Stop(), 3
    trained = loop(trainer, tmp_path, stop=trainer.stop)
    with pytest.raises(KeyboardInterrupt):
        trained.run(0, 6)
    assert len(trained.record.steps) == 3
    saved = checkpoint.newest(tmp_path, print)
    assert saved is not None
    assert saved.state.step == 3
    assert saved.weights["steps"] == [3]


def test_a_run_that_is_asked_to_end_while_it_tests(tmp_path: Path) -> None:
    trained = loop(Scripted(), tmp_path)
    answer = trained.trainer.logits

    def asked(images: NDArray[Any]) -> NDArray[Any]:
        if not trained.stop.asked:
            trained.stop.ask(signal.SIGTERM)
        return answer(images)

    trained.trainer.logits = asked  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trained.run(0, 6)
    assert trained.record.epochs == []
    assert checkpoints(tmp_path) == [2]
    resumed = loop(Scripted(), tmp_path / "resumed")
    for step in trained.record.steps:
        resumed.record.add_step(step)
    resumed.run(2, 4)
    assert [epoch.step for epoch in resumed.record.epochs] == [2, 4], "the test is made up for"


def test_the_second_half_of_a_run_is_that_of_a_whole_one(tmp_path: Path) -> None:
    whole = loop(Scripted(), tmp_path / "whole")
    whole.run(0, 6)
    half = loop(Scripted(), tmp_path / "half")
    for step in whole.record.steps[:2]:
        half.record.add_step(step)
    half.record.add_epoch(whole.record.epochs[0])
    half.record.add_step(whole.record.steps[2])
    half.trainer.losses = whole.trainer.losses[3:]  # type: ignore[attr-defined]
    half.run(3, 6)
    for rows in ("steps", "epochs"):
        of_half, of_whole = getattr(half.record, rows), getattr(whole.record, rows)
        assert list(map(timeless, of_half)) == list(map(timeless, of_whole))
    assert half.record.log_digest == whole.record.log_digest


def test_patience_ends_a_stage_early_and_not_before(tmp_path: Path) -> None:
    """The stand-in never gets better than after its first epoch."""
    patient = loop(Scripted(), tmp_path / "patient", replace(STAGE, patience=3))
    patient.run(0, 20)
    assert [epoch.epoch for epoch in patient.record.epochs] == [1, 2, 3, 4]
    ended = loop(Scripted(), tmp_path / "ended", replace(STAGE, patience=3))
    ended.run(0, 6)
    assert len(ended.record.steps) == 6


def test_a_stage_that_has_ended_early_does_not_go_on(tmp_path: Path) -> None:
    stage = replace(STAGE, patience=1)
    trained = loop(Scripted(), tmp_path, stage)
    trained.run(0, 20)
    assert len(trained.record.steps) == 4
    trained.run(4, 20)
    assert len(trained.record.steps) == 4


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, loss: float) -> None:
    trained = loop(Scripted([1.0, loss, 1.0]), tmp_path)
    with pytest.raises(InputError) as caught:
        trained.run(0, 3)
    assert str(caught.value) == f"step 2: the loss is {loss}: lower --learning-rate"
    assert [step.step for step in trained.record.steps] == [1]


def test_a_test_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    trained = loop(Scripted(), tmp_path)
    trained.trainer.logits = lambda images: np.full((len(images), 3), np.nan)  # type: ignore
    with pytest.raises(InputError) as caught:
        trained.run(0, 3)
    assert str(caught.value) == "test after step 2: the loss is nan: lower --learning-rate"
    assert trained.record.epochs == []
    assert checkpoints(tmp_path) == []


def test_the_loop_reports_each_step(tmp_path: Path) -> None:
    seen: list[Step] = []

    class Listening(Quiet):
        def step(self, step: Step) -> None:
            seen.append(step)

    trained = replace(loop(Scripted(), tmp_path), progress=Listening())
    trained.run(0, 2)
    assert seen == trained.record.steps


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(InputError):
        loop(Scripted([math.nan]), tmp_path).run(0, 4)
    assert threading.active_count() == before


def test_what_a_step_takes_is_parted_from_all_else_of_the_loop(tmp_path: Path) -> None:
    class Slow(Scripted):
        def step(self, images: NDArray[Any], targets: NDArray[Any], scalars: Any) -> float:
            time.sleep(0.05)
            return super().step(images, targets, scalars)

    class Late(Quiet):
        def step(self, step: Step) -> None:
            del step
            time.sleep(0.02)

    trained = replace(loop(Slow(), tmp_path), progress=Late())
    trained.run(0, 4)
    assert trained.computing >= 4 * 0.05
    assert trained.beside >= 4 * 0.02
    seconds = math.fsum(step.seconds for step in trained.record.steps)
    assert trained.computing < seconds, "a step's own seconds have its batch too"


class Overflowing(Scripted):
    """A stand-in whose gradients are no numbers at some steps."""

    def __init__(self, at: set[int]) -> None:
        super().__init__()
        self.at, self.clock = at, 0
        self.scaling = Scaling()

    def step(self, images: NDArray[Any], targets: NDArray[Any], scalars: Any) -> float:
        assert self.scaling
        self.clock += 1
        self.scaling = self.scaling.after(finite=self.clock not in self.at)
        return super().step(images, targets, scalars)


def test_steps_that_are_left_out_are_written_down_and_kept_in_checkpoints(tmp_path: Path) -> None:
    loop(Overflowing({1, 3}), tmp_path).run(0, 4)
    logged = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [line["skipped"] for line in logged] == [True, False, True, False]
    assert [line["loss_scale"] for line in logged] == [2.0**15, 2.0**14, 2.0**14, 2.0**13]
    newest = checkpoint.newest(tmp_path, lambda _: None)
    assert newest
    assert newest.state.scaling == {"scale": 2.0**13, "good": 1, "skipped": 2}


def test_steps_that_are_left_out_do_not_count_for_the_update_rule(tmp_path: Path) -> None:
    """AdamW corrects its moments by how often they have moved."""
    adamw = replace(STAGE, update="adamw-keras", schedule=(), momentum=0.9)
    whole, others = Scripted(), Overflowing({1, 3})
    loop(whole, tmp_path / "whole", adamw).run(0, 2)
    loop(others, tmp_path / "others", adamw).run(0, 4)
    first, second = whole.rates[:2], whole.rates[2:]
    assert others.rates == [*first, *first, *second, *second]


def test_lines_of_a_loss_that_is_not_scaled_do_not_speak_of_it(tmp_path: Path) -> None:
    loop(Scripted(), tmp_path).run(0, 1)
    (line,) = (tmp_path / "steps.jsonl").read_text().splitlines()
    assert not {"skipped", "loss_scale"} & set(json.loads(line))
