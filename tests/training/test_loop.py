from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax

from ranparity.data.batches import Batches
from ranparity.data.dataset import Dataset
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.training import recipe
from ranparity.training.loop import Loop, cross_entropy, evaluate, logits
from ranparity.training.progress import Quiet
from ranparity.training.record import Record, Step

RECIPE = replace(recipe.named("digits"), batch_size=4, schedule=((3, 0.5),), learning_rate=0.1)


class Scripted:
    """Stands in for a model: notes what it is given, and answers by rule.

    Its loss is 1/n at the n-th step; its outputs are an image's numbers.
    """

    def __init__(self, losses: list[float] | None = None) -> None:
        self.losses = losses or [1 / n for n in range(1, 100)]
        self.rates: list[float] = []
        self.labels: list[list[int]] = []
        self.tested: list[int] = []

    def step(self, images: NDArray[Any], labels: NDArray[Any], learning_rate: float) -> float:
        assert len(images) == len(labels)
        self.rates.append(learning_rate)
        self.labels.append(labels.tolist())
        return self.losses[len(self.rates) - 1]

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        self.tested.append(len(images))
        return images.reshape(len(images), -1)


def dataset() -> Dataset:
    """Ten images for training and six held out, of which the model above gets four right."""
    test = np.zeros((6, 1, 3, 1), np.float32)
    test[range(6), 0, [0, 1, 2, 0, 1, 2], 0] = 5
    labels = np.array([0, 1, 2, 0, 0, 0])
    train = np.arange(30, dtype=np.float32).reshape(10, 1, 3, 1)
    return Dataset("small", train, np.arange(10) % 3, test, labels, 3)


def loop(trainer: Any, folder: Path) -> Loop:
    batches = Batches(dataset(), Tape(0), 4)  # two steps an epoch
    return Loop(trainer, batches, RECIPE, Record(folder, {}), Quiet())


def test_steps_epochs_and_rates(tmp_path: Path) -> None:
    trainer = Scripted()
    trained = loop(trainer, tmp_path)
    trained.run(5)
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
    trained.run(4)
    assert trainer.labels == [trained.batches.at(step).labels.tolist() for step in range(4)]


def test_an_epoch_ends_with_a_test_of_all_held_out_images(tmp_path: Path) -> None:
    trained = loop(Scripted(), tmp_path)
    trained.run(3)
    first, last = trained.record.epochs
    assert (first.epoch, last.epoch) == (1, 2)
    assert (first.train_loss, last.train_loss) == (0.75, 1 / 3)
    assert first.test_accuracy == 4 / 6
    held_out = trained.batches.dataset
    outputs = held_out.test_images.reshape(6, 3).astype(np.float64)
    expected = -log_softmax(outputs, axis=1)[range(6), held_out.test_labels].mean()
    assert math.isclose(first.test_loss, expected, rel_tol=1e-15)


def test_the_last_batch_of_a_test_is_filled_up_and_its_filling_ignored() -> None:
    trainer, data = Scripted(), dataset()
    whole = logits(Scripted(), data.test_images, 6)
    assert np.array_equal(logits(trainer, data.test_images, 4), whole)  # type: ignore[arg-type]
    assert trainer.tested == [4, 4]


def test_evaluate_gives_loss_and_accuracy() -> None:
    data = dataset()
    wrong = (data.test_labels + 1) % 3
    assert evaluate(Scripted(), data.test_images, wrong, 3)[1] == 1 / 6


def test_cross_entropy_of_large_logits_neither_overflows_nor_is_clipped() -> None:
    outputs = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    assert cross_entropy(outputs, np.array([0, 0])) == 500


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, loss: float) -> None:
    trained = loop(Scripted([1.0, loss, 1.0]), tmp_path)
    with pytest.raises(InputError) as caught:
        trained.run(3)
    assert str(caught.value) == f"step 2: the loss is {loss}: lower --learning-rate"
    assert [step.step for step in trained.record.steps] == [1]


def test_the_loop_reports_each_step(tmp_path: Path) -> None:
    seen: list[Step] = []

    class Listening(Quiet):
        def step(self, step: Step) -> None:
            seen.append(step)

    trained = replace(loop(Scripted(), tmp_path), progress=Listening())
    trained.run(2)
    assert seen == trained.record.steps
