"""Plans carried out on a tiny net, in this process, on torch; stopped, damaged and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranparity.data import normalisation
from ranparity.data.dataset import ArrayPart, Dataset, in_memory
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.models.config import AttentionConfig, Stage
from ranparity.models.zoo import ENTRIES
from ranparity.parity.endurance import differences
from ranparity.training import backends, directory, loop, record, session
from ranparity.training.plan import Plan, check_fit, normalisation_of
from ranparity.training.recipe import Recipe
from ranparity.training.recipe import Stage as TrainingStage
from ranparity.training.recipes.digits import RECIPE as DIGITS

TINY = replace(
    ENTRIES["attention56-cifar"],
    name="tiny",
    config=AttentionConfig(stages=(Stage(8, stride=1, units=1),), stem="cifar", stem_channels=4),
    input_shape=(8, 8, 3),
)
ONE: TrainingStage = replace(DIGITS.stages[0], epochs=3, batch_size=4, schedule=((4, 0.1),))
TWO = Recipe(
    "two",
    (
        replace(ONE, name="features", epochs=2, padding=1),
        replace(ONE, name="head", epochs=None, steps=4, update="adamw-pytorch", batch_size=2),
    ),
)


def dataset() -> Dataset:
    pixels = Tape(3).integers("pixels", 16 * 192, 256).astype(np.uint8).reshape(16, 8, 8, 3)
    labels = np.arange(16) % 10
    train, test = ArrayPart(labels[:10], pixels[:10]), ArrayPart(labels[10:], pixels[10:])
    return in_memory("tiny", train, test, tuple("abcdefghij"))


def planned(folder: Path, recipe: Recipe = TWO, **changes: Any) -> Plan:
    data = dataset()
    parts: dict[str, Any] = {
        "entry": TINY,
        "recipe": recipe,
        "dataset": data,
        "normalisation": normalisation.fit(normalisation_of(recipe), data),
        "tape": Tape(0),
        "precision": "float32",
        "backend": "torch",
        "folder": folder,
        "checkpoint_every": 1,
    }
    return Plan(**{**parts, **changes})


def unwarned(message: str) -> None:
    raise AssertionError(message)


def trained(plan: Plan) -> Path:
    session.train(plan, quiet=True, warn=unwarned)
    return plan.folder


class KilledError(BaseException):
    """Stands for SIGKILL: nothing is written after it."""


def killed_in(
    plan: Plan, where: type, method: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Train until a method has been called so often, and end right after the last call."""
    original, made = getattr(where, method), []

    def stopping(*arguments: Any, **named: Any) -> None:
        original(*arguments, **named)
        made.append(method)
        if len(made) == calls:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(where, method, stopping)
        with pytest.raises(KilledError):
            session.train(plan, quiet=True, warn=unwarned)
    run = directory.read_run(plan.folder)
    assert run["status"] == "running"
    return run


def killed(plan: Plan, step: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Train up to a step, and end before its checkpoint."""
    return killed_in(plan, loop.Loop, "_step", step, monkeypatch)


def recorded(plan: Plan, run: dict[str, Any]) -> dict[str, Any]:
    """Put a changed run.json into the run directory."""
    (plan.folder / "run.json").write_text(json.dumps(run))
    return run


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(planned(tmp_path_factory.mktemp("calm")))


def test_the_record_is_of_all_stages(calm: Path) -> None:
    run = directory.read_run(calm)
    assert (run["steps"], run["planned_steps"], run["stopped_early"]) == (8, 8, False)
    assert {path.name for path in (calm / "checkpoints").iterdir()} == {
        "step-00000007.npz",
        "step-00000008.npz",
    }


def test_what_is_computed_twice_is_recorded_and_trains_to_the_same_bits(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    backend = backends.loaded("torch")
    trainer = backend.trainer

    def spied(*given: Any, remat: bool, **how: Any) -> Any:
        asked.append(remat)
        return trainer(*given, remat=remat, **how)

    monkeypatch.setattr(backend, "trainer", spied)
    plain, run = (
        directory.read_run(calm),
        directory.read_run(trained(planned(tmp_path, remat=True))),
    )
    assert run["remat"] is True
    assert "remat" not in plain
    assert asked == [True, True], "once a stage"
    for name in ("final_weights_digest", "final_slots_digest", "test_loss"):
        assert run[name] == plain[name]


@pytest.mark.parametrize("remat", [False, True])
def test_a_batch_in_parts_is_recorded_as_such(remat: bool, calm: Path, tmp_path: Path) -> None:
    """Batch statistics are those of a part, and the moving ones move twice a step."""
    plain = directory.read_run(calm)
    run = directory.read_run(trained(planned(tmp_path, accumulate=2, remat=remat)))
    said = "of each part; the moving ones move once a part"
    assert run["accumulate"] == {"parts": 2, "batch_statistics": said}
    assert "accumulate" not in plain
    for name in ("recipe", "steps", "tape_digest", "initial_weights_digest"):
        assert run[name] == plain[name]
    assert run["final_weights_digest"] != plain["final_weights_digest"]
    assert run["test_loss"] == pytest.approx(plain["test_loss"], rel=0.5)


@pytest.mark.parametrize("step", [1, 6])
def test_a_batch_in_parts_goes_on_in_parts(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(planned(tmp_path / "whole", accumulate=2))
    plan = planned(tmp_path / "killed", accumulate=2)
    earlier = killed(plan, step, monkeypatch)
    session.train(replace(plan, earlier=earlier), quiet=True, warn=lambda _: None)
    assert differences(whole, plan.folder) == []


def test_a_twin_is_recorded_as_one_and_trains_a_little_off(calm: Path, tmp_path: Path) -> None:
    plain, run = directory.read_run(calm), directory.read_run(trained(planned(tmp_path, twin=2)))
    assert run["twin"] == 2
    assert "twin" not in plain
    for name in ("recipe", "seed", "data", "planned_steps"):
        assert run[name] == plain[name]
    for name in ("initial_weights_digest", "final_weights_digest", "tape_digest"):
        assert run[name] != plain[name]
    rows = [
        [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
        for folder in (calm, tmp_path)
    ]
    batches = [[row["batch_digest"] for row in each] for each in rows]
    assert batches[0] == batches[1]
    apart = [abs(a["loss"] - b["loss"]) for a, b in zip(*rows, strict=True)]
    assert 0 < max(apart) < 1e-3


@pytest.mark.parametrize("step", [1, 6])
def test_a_twin_that_goes_on_stays_that_twin(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(planned(tmp_path / "whole", twin=1))
    plan = planned(tmp_path / "killed", twin=1)
    earlier = killed(plan, step, monkeypatch)
    done = session.train(replace(plan, earlier=earlier), quiet=True, warn=lambda _: None)
    assert done.run["twin"] == 1
    assert differences(whole, plan.folder) == []
    with pytest.raises(InputError, match="expected the initial weights"):
        session.train(replace(plan, earlier=done.run, twin=2), quiet=True, warn=lambda _: None)


def test_wrong_labels_are_counted_in_the_record(calm: Path, tmp_path: Path) -> None:
    noisy = Recipe("noisy", tuple(replace(stage, label_noise=0.5) for stage in TWO.stages))
    plan = planned(tmp_path, noisy)
    run = directory.read_run(trained(plan))
    changed = plan.segments[1].batches.labels != plan.dataset.train.labels
    assert run["data"]["label_noise"] == {"share": 0.5, "changed": changed.sum(), "of": 10}
    assert 0 < changed.sum() < 10
    assert "label_noise" not in directory.read_run(calm)["data"]


def test_stages_of_one_network_follow_on_one_another(calm: Path) -> None:
    features, head = directory.read_run(calm)["stages"]
    assert features["starting_weights"] == "tape"
    assert head["starting_weights"] == "stage features"
    assert head["initial_weights_digest"] == features["final_weights_digest"]


def test_the_log_names_the_stage_of_each_step(tmp_path: Path) -> None:
    done = session.train(planned(tmp_path), quiet=True, warn=unwarned)
    assert [step.stage for step in done.steps] == ["features"] * 4 + ["head"] * 4
    assert [step.step for step in done.steps] == list(range(1, 9))
    assert [step.epoch for step in done.steps] == [1, 1, 2, 2, 1, 1, 1, 1]
    assert [(row.stage, row.epoch, row.step) for row in done.epochs] == [
        ("features", 1, 2),
        ("features", 2, 4),
        ("head", 1, 8),
    ]
    assert len({step.batch_digest for step in done.steps}) == 8


@pytest.mark.parametrize("step", [1, 3, 4, 5, 7, 8])
def test_a_run_killed_in_any_stage_ends_as_if_it_had_not_been(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(planned(tmp_path / "whole"))
    plan = planned(tmp_path / "killed")
    earlier = killed(plan, step, monkeypatch)
    warnings: list[str] = []
    done = session.train(replace(plan, earlier=earlier), quiet=True, warn=warnings.append)
    assert differences(whole, plan.folder) == []
    assert len(warnings) == (step == 1)  # no checkpoint yet
    assert done.run["parts"][1]["first_step"] == step  # the killed step was not saved


@pytest.mark.parametrize("method", ["add_step", "add_epoch", "add_checkpoint", "save_weights"])
@pytest.mark.parametrize("calls", [1, 3])
def test_a_run_killed_after_any_writing_ends_as_if_it_had_not_been(
    method: str, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a test's row, say, and before the checkpoint that knows of it."""
    whole = trained(planned(tmp_path / "whole"))
    plan = planned(tmp_path / "killed")
    times = 1 if method == "save_weights" else calls
    earlier = killed_in(plan, record.Record, method, times, monkeypatch)
    session.train(replace(plan, earlier=earlier), quiet=True, warn=lambda _: None)
    assert differences(whole, plan.folder) == []


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(planned(tmp_path / "whole"))
    plan = planned(tmp_path / "killed", tensorboard=True)
    earlier = killed(plan, 7, monkeypatch)
    newest = plan.folder / "checkpoints" / "step-00000006.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    warnings: list[str] = []
    done = session.train(replace(plan, earlier=earlier), quiet=True, warn=warnings.append)
    (warning,) = warnings
    assert warning.startswith(f"{newest}: damaged (")
    assert done.run["parts"][1]["first_step"] == 6
    assert differences(whole, plan.folder) == []


def test_without_checkpoints_a_run_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(planned(tmp_path / "whole"))
    plan = planned(tmp_path / "killed")
    earlier = killed(plan, 5, monkeypatch)
    for path in (plan.folder / "checkpoints").iterdir():
        path.write_bytes(b"")
    warnings: list[str] = []
    session.train(replace(plan, earlier=earlier), quiet=True, warn=warnings.append)
    assert warnings[-1] == f"{plan.folder}: no whole checkpoint: starting from the first step"
    assert len(warnings) == 3
    assert differences(whole, plan.folder) == []


def test_patience_ends_a_stage_and_the_next_one_follows(tmp_path: Path) -> None:
    impatient = replace(TWO.stages[0], epochs=9, learning_rate=1e-9, patience=1)
    done = session.train(
        planned(tmp_path, Recipe("two", (impatient, TWO.stages[1]))), quiet=True, warn=unwarned
    )
    assert done.run["stopped_early"] is True
    stages = [step.stage for step in done.steps]
    assert stages == ["features"] * (len(stages) - 4) + ["head"] * 4
    assert len(stages) < done.run["planned_steps"] == 22


def test_another_version_is_told_of_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path / "run")
    earlier = killed(plan, 5, monkeypatch)
    other = recorded(plan, {**earlier, "initial_weights_digest": "0" * 64})
    with pytest.raises(InputError) as caught:
        session.train(replace(plan, earlier=other), quiet=True, warn=unwarned)
    assert str(caught.value) == (
        f"{plan.folder}: expected the initial weights 000000000000, and this version of ranparity "
        f"draws {earlier['initial_weights_digest'][:12]}: go on with the version that began the run"
    )
    source = {**earlier["environment"], "source_digest": "another"}
    warnings: list[str] = []
    changed = recorded(plan, {**earlier, "environment": source})
    session.train(replace(plan, earlier=changed), quiet=True, warn=warnings.append)
    assert warnings == [
        f"{plan.folder}: the run was begun by another version of ranparity; both are recorded"
    ]


def test_another_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path / "run")
    earlier = killed(plan, 5, monkeypatch)
    other = {**earlier["environment"], "threads": 64, "processor": "another"}
    warnings: list[str] = []
    session.train(
        replace(plan, earlier=recorded(plan, {**earlier, "environment": other})),
        quiet=True,
        warn=warnings.append,
    )
    assert warnings == [
        f"{plan.folder}: not what the run began with: processor, threads: it may end with other "
        "last bits than an undisturbed one; both are recorded"
    ]


def test_other_images_of_the_same_names_and_sizes_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path / "run")
    earlier = killed(plan, 7, monkeypatch)
    inverted = ArrayPart(plan.dataset.train.labels, 255 - plan.dataset.train.read(np.arange(10)))
    with pytest.raises(InputError) as caught:
        session.train(
            replace(plan, earlier=earlier, dataset=replace(plan.dataset, train=inverted)),
            quiet=True,
            warn=unwarned,
        )
    assert "for step 6, and the data give" in str(caught.value)
    assert str(caught.value).endswith("have changed, and the run cannot go on")


def test_what_another_process_did_since_the_plan_was_made_is_not_lost(tmp_path: Path) -> None:
    """The lock comes after the reading of the data, which can take minutes."""
    late = planned(tmp_path)
    first = trained(planned(tmp_path, tape=Tape(5)))
    before = (first / "run.json").read_bytes()
    for plan, reason in (
        (late, "begun a run there"),
        (
            replace(late, earlier={**directory.read_run(first), "status": "running"}),
            "gone on with it",
        ),
    ):
        with pytest.raises(InputError) as caught:
            session.train(plan, quiet=True, warn=unwarned)
        expected = f"{tmp_path}: another process has {reason} since: start again"
        assert str(caught.value) == expected
        assert (first / "run.json").read_bytes() == before
    session.train(replace(late, overwrite=True), quiet=True, warn=unwarned)
    assert directory.read_run(tmp_path)["seed"] == 0


def test_a_start_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        session.train(
            planned(tmp_path / "run", precision="float32", backend="jax"),
            quiet=True,
            warn=unwarned,
        )
    assert not (tmp_path / "run").exists()


def test_an_end_that_is_no_end_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(loop.Loop, "_step", broken)
    with pytest.raises(RuntimeError):
        session.train(planned(tmp_path), quiet=True, warn=unwarned)
    run = directory.read_run(tmp_path)
    assert (run["status"], run["reason"]) == ("failed", "RuntimeError: out of luck")
    assert run["steps"] == 0


def test_tensorboard_files_are_written_when_asked(tmp_path: Path) -> None:
    trained(planned(tmp_path, tensorboard=True))
    assert len(list((tmp_path / "tensorboard").glob("events*"))) == 1


def test_stages_of_one_recipe_share_their_normalisation() -> None:
    odd = Recipe("odd", (TWO.stages[0], replace(TWO.stages[1], normalisation="pixel-mean")))
    with pytest.raises(InputError) as caught:
        normalisation_of(odd)
    assert str(caught.value) == (
        "recipe odd: expected one normalisation for all stages. Received: pixel-mean, range"
    )


def test_images_of_another_size_do_not_fit() -> None:
    with pytest.raises(InputError) as caught:
        check_fit(ENTRIES["attention56-cifar"], dataset())
    assert str(caught.value) == (
        "--model attention56-cifar takes images of 32x32x3, and --data tiny has 8x8x3: choose "
        "another model or other data"
    )
