"""A session with stand-ins for its trainings: what is asked for, written and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ranparity.data import load
from ranparity.errors import InputError
from ranparity.parity import benches, directions, experiments
from ranparity.parity.several import Work
from ranparity.parity.trainings import Job
from ranparity.training.recipe import Recipe
from tests.report import samples, schemas

Accuracy = Callable[[str, float, int], float]


class Trainings:
    """Stands in for `carry_out`: every run ends with the accuracy that `accuracy` gives."""

    def __init__(self) -> None:
        self.accuracy: Accuracy = lambda model, noise, seed: (
            0.9
            - noise / 2
            - ("naive" in model) * 0.1
            - ("resnet" in model) * noise * 0.1
            + seed * 0.001 * (1 + ("naive" in model))
        )
        self.work: list[Work] = []
        self.broken = ""

    def __call__(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, str]]:
        for job in jobs:
            work = Work(**json.loads(job.command[-1]))
            self.work.append(work)
            for seed, folder in work.runs.items():
                if work.model != self.broken:
                    self.write(work, int(seed), Path(folder))
            yield job, "killed by signal 9: nothing on stderr" if work.model == self.broken else ""

    def write(self, work: Work, seed: int, folder: Path) -> None:
        noise = work.changes.get("label_noise", 0.0)
        stage = json.loads(json.dumps(dict(work.changes)))
        content = samples.run(work.backend) | {
            "model": work.model,
            "seed": seed,
            "recipe": {"name": work.recipe, "stages": [stage]},
            "test_accuracy": self.accuracy(work.model, noise, seed),
        }
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(content))


@pytest.fixture
def trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainings:
    found = Trainings()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(directions, "carry_out", found)
    return found


def record() -> dict[str, Any]:
    return dict(json.loads(Path("reports/data/directions.json").read_text()))


@pytest.mark.usefixtures("trainings")
def test_each_experiment_is_judged_seed_by_seed() -> None:
    assert directions.main([]) == 0
    assert schemas.refusals("directions", record()) == []
    assert next(iter(record().items())) == ("schema", 1)
    found = {each["name"]: each for each in record()["experiments"]}
    assert {each["data"] for each in found.values()} == {"digits"}
    residual = found["attention-residual"]
    assert residual["per_seed"] == pytest.approx([10 - 0.1 * seed for seed in range(4)])
    assert (residual["holds"], residual["seeds"], len(residual["runs"])) == (
        "yes",
        [0, 1, 2, 3],
        16,
    )
    assert residual["rule"] == experiments.RULE
    assert residual["what"].endswith("-naive@4; 5 epochs in batches of 32")
    low, high = residual["interval"]
    assert low < residual["mean"] < high
    noise = found["label-noise"]
    assert noise["per_seed"] == pytest.approx([6.0] * 4)
    assert len(noise["runs"]) == 32
    assert found["label-noise-growth"]["mean"] == pytest.approx(33)
    run = residual["runs"][0]
    assert run["tape_digest"] == samples.run("tensorflow")["tape_digest"]
    assert {"model", "seed", "noise", "accuracy"} <= set(run)
    assert record()["environment"]["framework"] == "tensorflow 1.0"
    assert record()["source_digests"] == ["5" * 64]


def test_what_is_trained_is_stated_in_the_work(trainings: Trainings) -> None:
    directions.main([])
    assert len(trainings.work) == 12  # four nets as they are, two with four shares of noise
    for work in trainings.work:
        recipe = work.trained_by()
        assert isinstance(recipe, Recipe)
        (stage,) = recipe.stages
        assert stage.batch_size == 32
        assert stage.length(44) > stage.schedule[0][0], "the rate falls before the end"
        assert set(work.runs) == {"0", "1", "2", "3"}
    assert {work.changes.get("label_noise") for work in trainings.work} == {
        None,
        0.1,
        0.3,
        0.5,
        0.7,
    }


def test_a_direction_that_fails_or_is_unclear_says_so(trainings: Trainings) -> None:
    trainings.accuracy = lambda model, *_: 0.5 + 0.1 * ("naive" in model)
    directions.main([])
    found = {each["name"]: each["holds"] for each in record()["experiments"]}
    assert found["attention-residual"] == "no"
    assert found["label-noise"] == "inconclusive"


def test_finished_runs_are_passed_over(trainings: Trainings) -> None:
    directions.main(["--seeds", "2"])
    trainings.work.clear()
    directions.main([])
    assert {tuple(work.runs) for work in trainings.work} == {("2", "3")}
    trainings.work.clear()
    directions.main([])
    assert trainings.work == []


def test_a_run_of_other_numbers_is_trained_again(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    directions.main(["--seeds", "2"])
    trainings.work.clear()
    epochs = benches.epochs
    monkeypatch.setattr(benches, "epochs", lambda *_: epochs(7, 3))
    monkeypatch.setattr(Trainings, "write", lambda *_: None)
    directions.main(["--seeds", "2"])
    assert len(trainings.work) == 12


def test_a_training_that_fails_leaves_the_others_their_evidence(trainings: Trainings) -> None:
    trainings.broken = "resnet164-cifar@4"
    assert directions.main([]) == 1
    found = {each["name"]: each for each in record()["experiments"]}
    assert found["attention-residual"]["holds"] == "yes"
    assert found["attention-residual"]["failed"] == []
    assert "holds" not in found["label-noise"]
    assert found["label-noise"]["failed"][0] == (
        "resnet164-cifar@4-noise0.1: killed by signal 9: nothing on stderr"
    )


def test_cifar_is_what_the_user_names(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load("digits")
    asked: list[tuple[str, bool]] = []

    def loaded(spec: str, *, partial: bool) -> object:
        asked.append((spec, partial))
        return digits

    monkeypatch.setattr(directions.data, "load", loaded)
    assert directions.main(["--cifar", "records", "--seeds", "2"]) == 0
    assert ("cifar10:records", True) in asked
    assert {each["data"] for each in record()["experiments"]} == {"digits", "cifar10-partial"}
    cifar = [work for work in trainings.work if work.data == "cifar10:records"]
    assert len(cifar) == 12
    assert all(work.partial and work.recipe == "paper-cifar" for work in cifar)


def test_bad_input_is_refused_before_anything_is_trained(trainings: Trainings) -> None:
    with pytest.raises(InputError) as caught:
        directions.main(["--seeds", "1"])
    assert str(caught.value) == "--seeds: expected 2 or more. Received: 1"
    with pytest.raises(InputError, match="nowhere"):
        directions.main(["--cifar", "nowhere"])
    assert trainings.work == []
