"""Stages that train parts of a network, on torch: carried over, killed, and started from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ranparity.data import digest, initial
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.models.config import DRANetConfig, ResNetConfig
from ranparity.parity.endurance import differences
from ranparity.training import checkpoint, directory, record, session, trained, weights
from ranparity.training.plan import Plan, check_stages
from ranparity.training.recipe import Recipe, named
from tests.training.test_session import TINY, killed, killed_in, planned, recorded, unwarned
from tests.training.test_session import trained as run_to_its_end

NET = replace(
    TINY,
    name="tiny-dranet",
    config=DRANetConfig(
        backbone=ResNetConfig(units=(1, 1), channels=(4, 8), stem="cifar"),
        hidden=8,
        weighting=4,
        classifying=4,
        distance=8,
        backbone_classes=12,
    ),
)
STAGES = tuple(replace(stage, epochs=1, batch_size=4) for stage in named("dranet").stages)
RECIPE = Recipe("parts", STAGES)  # two steps each
FIRST = Recipe("first", STAGES[:1])


def of_parts(folder: Path, recipe: Recipe = RECIPE, **changes: Any) -> Plan:
    return planned(folder, recipe, **{"entry": NET, **changes})


@pytest.fixture(scope="module", autouse=True)
def _in_the_zoo() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(zoo.ENTRIES, NET.name, NET)
        yield


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_to_its_end(of_parts(tmp_path_factory.mktemp("calm")))


def stages(folder: Path) -> list[dict[str, Any]]:
    """What the record says of the stages, but for times."""
    return [
        {name: value for name, value in stage.items() if name != "seconds"}
        for stage in directory.read_run(folder)["stages"]
    ]


def values(folder: Path, stage: str) -> dict[str, Any]:
    """All variables at the end of a stage, from its file, whose digest is held against the run."""
    return trained.load(trained.of_run(folder, stage=stage), 10, "torch").weights()


def test_the_record_says_of_each_stage_what_it_began_and_ended_with(calm: Path) -> None:
    run = directory.read_run(calm)
    features, aggregation = run["stages"]
    assert [stage["name"] for stage in run["stages"]] == ["features", "aggregation"]
    assert [stage["part"] for stage in run["stages"]] == ["features", "aggregation"]
    assert [(stage["first_step"], stage["steps"]) for stage in run["stages"]] == [(1, 2), (3, 2)]
    assert features["starting_weights"] == "tape"
    assert aggregation["starting_weights"] == ("stage features: 30 variables; tape: 17 variables")
    assert features["initial_weights_digest"] == run["initial_weights_digest"]
    assert aggregation["final_weights_digest"] == run["final_weights_digest"]
    rows = [epoch.split(",") for epoch in (calm / "epochs.csv").read_text().splitlines()[1:]]
    for stage, row in zip(run["stages"], rows, strict=True):
        tested = [stage[f"test_{name}"] for name in ("loss", "accuracy", "top5_accuracy")]
        assert tested == [float(cell) for cell in row[4:7]]
        assert stage["seconds"] == float(row[7])
    assert "starting_weights" not in run


def test_a_stage_trains_its_part_from_what_the_one_before_has_trained(calm: Path) -> None:
    before, after = values(calm, "features"), values(calm, "aggregation")
    backbone = set(before) & set(after)
    assert set(before) - backbone == {"fc1000/kernel", "fc1000/bias"}
    assert len(backbone) == 30
    assert all(np.array_equal(before[name], after[name]) for name in backbone)
    assert before["fc1000/bias"].shape == (12,)
    assert len(before["fc1000/bias"].nonzero()[0]) == 12, "the labels are the first 10 of 12"
    with np.load(calm / "checkpoints" / "step-00000004.npz") as saved:
        slots = {name for name in saved.files if name.startswith("slots/")}
    assert len(slots) == 2 * len(set(after) - backbone)


def test_what_a_stage_adds_comes_from_the_tape(calm: Path) -> None:
    before, after = values(calm, "features"), values(calm, "aggregation")
    kernels = {name: array for name, array in after.items() if name.endswith("/kernel")}
    bounds = {name.rpartition("/")[0]: array.shape[0] ** -0.5 for name, array in kernels.items()}
    start = {
        name: before[name]
        if name in before
        else initial.weight(Tape(0), name, array.shape, bounds.get(name.rpartition("/")[0]))
        for name, array in after.items()
    }
    assert digest.of_named_arrays(start) == stages(calm)[1]["initial_weights_digest"]


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_run_killed_in_any_stage_ends_as_if_it_had_not_been(
    step: int, calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = of_parts(tmp_path)
    earlier = killed(plan, step, monkeypatch)
    session.train(replace(plan, earlier=earlier), quiet=True, warn=lambda _: None)
    assert differences(calm, tmp_path) == []
    assert stages(calm) == stages(tmp_path)


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("add_epoch", 1),
        ("add_checkpoint", 3),  # the one after the test that ends the first stage
        ("save_weights", 1),
        ("end_stage", 1),
        ("begin_stage", 2),
        ("end_stage", 2),
    ],
)
def test_a_run_killed_between_stages_ends_as_if_it_had_not_been(
    method: str, calls: int, calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = of_parts(tmp_path)
    earlier = killed_in(plan, record.Record, method, calls, monkeypatch)
    session.train(replace(plan, earlier=earlier), quiet=True, warn=lambda _: None)
    assert differences(calm, tmp_path) == []
    assert stages(calm) == stages(tmp_path)
    assert values(tmp_path, "features").keys() == values(calm, "features").keys()


def test_a_run_that_goes_back_to_an_earlier_stage_does_the_later_one_again(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "KEPT", 9)
    plan = of_parts(tmp_path)
    earlier = killed(plan, 4, monkeypatch)
    for step in (2, 3):
        (tmp_path / "checkpoints" / f"step-0000000{step}.npz").write_bytes(b"")
    (tmp_path / "features.weights.h5").unlink()
    session.train(replace(plan, earlier=earlier), quiet=True, warn=lambda _: None)
    assert differences(calm, tmp_path) == []
    assert stages(calm) == stages(tmp_path)
    values(tmp_path, "features")


def test_a_record_without_stages_goes_on_in_its_first_one_alone(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As versions wrote it that knew of one network."""
    for step, folder in ((2, tmp_path / "a"), (4, tmp_path / "b")):
        plan = of_parts(folder)
        old = killed(plan, step, monkeypatch)
        del old["stages"]
        plan = replace(plan, earlier=recorded(plan, old))
        if step == 2:
            session.train(plan, quiet=True, warn=unwarned)
            assert stages(folder) == stages(calm)
            continue
        with pytest.raises(InputError) as caught:
            session.train(plan, quiet=True, warn=unwarned)
        assert str(caught.value) == (
            f"{folder}/run.json: expected in stages what stage aggregation began with: the run "
            "cannot go on"
        )


def test_a_new_run_takes_the_weights_of_the_earlier_stages_away(tmp_path: Path) -> None:
    run_to_its_end(of_parts(tmp_path))
    (tmp_path / "mine.weights.h5").touch()
    run_to_its_end(planned(tmp_path, entry=TINY, overwrite=True))
    names = {path.name for path in tmp_path.glob("*.h5")}
    assert names == {"features.weights.h5", "final.weights.h5", "mine.weights.h5"}
    run_to_its_end(of_parts(tmp_path, FIRST, overwrite=True))
    assert {path.name for path in tmp_path.glob("*.h5")} == names - {"features.weights.h5"}


def test_a_part_that_a_network_does_not_have_is_bad_input() -> None:
    with pytest.raises(InputError) as caught:
        check_stages(TINY, RECIPE)
    assert str(caught.value) == (
        "recipe parts, stage features: expected a part of tiny, which has whole. Received: features"
    )


@pytest.mark.parametrize("name", ["../x", "a b", "final", "größe"])
def test_a_stage_whose_name_is_no_files_is_bad_input(name: str) -> None:
    odd = Recipe("odd", (replace(STAGES[0], name=name), STAGES[1]))
    with pytest.raises(InputError) as caught:
        check_stages(NET, odd)
    assert str(caught.value) == (
        "recipe odd: expected stages named by letters, digits, - and _, and none of them final. "
        f"Received: {name!r}"
    )
    check_stages(NET, Recipe("one", (replace(STAGES[0], name=name),)))


def test_a_stage_that_a_run_has_not_is_bad_input(calm: Path) -> None:
    assert trained.of_run(calm).part == "aggregation"
    with pytest.raises(InputError) as caught:
        trained.of_run(calm, stage="head")
    assert str(caught.value) == (
        f"{calm}: expected one of its stages: features, aggregation. Received: head"
    )


# Starting weights.


def test_a_run_starts_from_the_weights_that_it_is_given(calm: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    plan = of_parts(tmp_path, weights=weights.find(calm / "features.weights.h5"))
    done = session.train(plan, quiet=True, warn=unwarned, tell=lines.append)
    given = stages(calm)[0]["final_weights_digest"]
    assert done.run["starting_weights"] == {"file": "features.weights.h5", "digest": given}
    assert done.run["initial_weights_digest"] == given
    assert stages(tmp_path)[0]["starting_weights"] == f"features.weights.h5, digest {given}"
    assert lines == ["weights of features.weights.h5: 32 of 32 variables"]


def test_weights_of_another_part_are_taken_as_far_as_they_go(calm: Path, tmp_path: Path) -> None:
    """Those of the whole net, for a backbone that gets a head of its own."""
    lines: list[str] = []
    source = weights.find(calm)
    assert source.digest == directory.read_run(calm)["final_weights_digest"]
    plan = of_parts(tmp_path, weights=source)
    done = session.train(plan, quiet=True, warn=unwarned, tell=lines.append)
    name = f"{calm.name}/final.weights.h5"
    assert done.run["starting_weights"] == {"file": name, "digest": source.digest}
    assert stages(tmp_path)[0]["starting_weights"] == (
        f"{name}, digest {source.digest}: 30 variables; tape: 2 variables"
    )
    (line,) = lines
    assert line.startswith(
        f"weights of {name}: 30 of 32 variables; from the tape: fc1000/kernel, fc1000/bias; "
        "not used of the file: "
    )
    assert line.endswith(" and 11 more")


def refused(plan: Plan) -> str:
    with pytest.raises(InputError) as caught:
        session.train(plan, quiet=True, warn=unwarned)
    return str(caught.value)


def altered(calm: Path, folder: Path, place: str, array: Any) -> Path:
    """The first stage's weights with another array in place of one, or without it."""
    path = folder / "altered.weights.h5"
    path.write_bytes((calm / "features.weights.h5").read_bytes())
    with h5py.File(path, "a") as file:
        del file[place]
        if array is not None:
            file[place] = array
    return path


def test_weights_that_do_not_fit_are_one_line_and_leave_nothing(calm: Path, tmp_path: Path) -> None:
    def fault(path: Path, **changes: Any) -> str:
        plan = of_parts(tmp_path / "run", FIRST, weights=weights.find(path), **changes)
        said = refused(plan).removeprefix(str(path))
        assert not (tmp_path / "run").exists()
        return said

    dense = "layers/inner_product/vars"
    wide = altered(calm, tmp_path, f"{dense}/1", np.zeros(13, np.float32))
    assert fault(wide) == ", layer fc1000: expected bias of shape (12,). Received: (13,)"
    less = altered(calm, tmp_path, f"{dense}/1", None)
    assert fault(less) == ", layer fc1000: expected 2 variables. Received: 1"
    other = run_to_its_end(planned(tmp_path / "other", entry=TINY)) / "final.weights.h5"
    assert fault(other).startswith(
        ": expected layers of the network that is trained, which has none called "
    )
    whole = calm / "final.weights.h5"
    assert "which has none called " in fault(whole), "the run has no stage with these"
    broken = tmp_path / "broken.weights.h5"
    broken.write_bytes((calm / "features.weights.h5").read_bytes()[:3000])
    assert fault(broken).startswith(": cannot be read as weights: ")
    with h5py.File(broken, "w"):
        pass
    assert fault(broken) == ": expected weights that Keras has saved, and it has none"


def test_weights_that_are_not_the_runs_are_one_line(calm: Path, tmp_path: Path) -> None:
    source = replace(weights.find(calm / "features.weights.h5"), digest="0" * 64)
    found = stages(calm)[0]["final_weights_digest"]
    assert refused(of_parts(tmp_path / "run", weights=source)) == (
        f"{source.path}: expected weights of digest {'0' * 64}, as run.json has it. "
        f"Received: {found}"
    )


def test_a_run_from_a_file_goes_on_without_it(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "start.weights.h5"
    path.write_bytes((calm / "features.weights.h5").read_bytes())
    place = {"weights": str(path)}
    whole = of_parts(tmp_path / "whole", weights=weights.find(path), place=place)
    run_to_its_end(whole)
    for step in (2, 3):
        plan = replace(whole, folder=tmp_path / f"killed-{step}")
        earlier = killed(plan, step, monkeypatch)
        gone = replace(plan, earlier=earlier, weights=None, place={})
        session.train(gone, quiet=True, warn=unwarned)
        assert differences(whole.folder, plan.folder) == []
        assert stages(whole.folder) == stages(plan.folder)


def test_a_run_from_a_file_that_has_no_checkpoint_needs_it_again(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "start.weights.h5"
    path.write_bytes((calm / "features.weights.h5").read_bytes())
    found = digest.of_named_arrays(values(calm, "features"))
    plan = of_parts(tmp_path / "run", weights=weights.find(path), place={"weights": str(path)})
    earlier = killed(plan, 1, monkeypatch)
    lost = replace(plan, earlier=earlier, weights=None, place={})
    assert refused(lost) == (
        f"{plan.folder}: no whole checkpoint, and so the weights are needed that the run began "
        f"with, start.weights.h5 of digest {found[:12]}: say with --weights where they are"
    )
    other = weights.find(calm)
    assert refused(replace(lost, weights=other)) == (
        f"{other.path}: expected the weights that the run in {plan.folder} began with, "
        f"start.weights.h5 of digest {found[:12]}. Received: {other.digest[:12]}"  # type: ignore[index]
    )
    session.train(replace(lost, place=plan.place), quiet=True, warn=lambda _: None)
    assert directory.read_run(plan.folder)["status"] == "finished"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.weights.h5", "and there is none"),
        ("notes.txt", "and this is another file"),
    ],
)
def test_what_is_no_file_of_weights_is_bad_input(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError) as caught:
        weights.find(tmp_path / name)
    assert str(caught.value) == (
        f"--weights {tmp_path / name}: expected a *.weights.h5 file or a run directory, {reason}"
    )


def test_a_run_that_has_not_ended_has_no_weights_to_start_from(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"status": "running"}))
    with pytest.raises(InputError) as caught:
        weights.find(tmp_path)
    assert str(caught.value) == (
        f"--weights {tmp_path}: expected final.weights.h5, which a run has at its end; this one is "
        "running"
    )
