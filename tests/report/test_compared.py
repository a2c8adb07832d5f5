"""What is the same, what is not, and all of it as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ranparity.report import given
from ranparity.report.compared import NAMED, Compared, compare, to_json
from ranparity.report.settings import recipe
from tests.report import samples
from tests.report.run_folders import Row, put, put_twin
from tests.report.test_structure import words


def compared(*folders: Path) -> Compared:
    return compare(given.read(folders, []))


def problems(found: Compared) -> list[str]:
    return [words(line) for line in found.problems()]


def batch_of_step(step: int) -> Any:
    def other(row: Row) -> Row:
        return {"batch_digest": samples.sha("other")} if row["step"] == step else {}

    return other


def other_loss(by: float, at: int = 5) -> Any:
    return lambda row: {"loss": row["loss"] + by} if row["step"] == at else {}


def test_runs_that_part_by_rounding_alone_have_no_problem(tmp_path: Path) -> None:
    found = compared(*(put(tmp_path / name, name) for name in samples.BACKENDS))
    assert problems(found) == []
    assert found.recipe == ()
    assert found.labels == list(samples.BACKENDS)
    assert found.group.task == found.given.runs[0].task
    assert found.judged == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "the recipe or the data are not the same: seed"),
        (
            {"data": samples.DATA | {"digest": "e" * 64}},
            "the recipe or the data are not the same: data.digest",
        ),
        (
            {"initial_weights_digest": samples.sha("others")},
            "torch and jax: the initial weights are not equal",
        ),
        ({"step": batch_of_step(7)}, "torch and jax: the batches first differ at step 7"),
    ],
    ids=["recipe", "data", "weights", "batches"],
)
def test_each_thing_that_should_be_the_same_is_a_problem_where_it_is_not(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    assert problems(compared(put(tmp_path / "a"), put(tmp_path / "b", "jax", **changes))) == [
        message
    ]


def test_what_may_differ_is_no_problem(tmp_path: Path) -> None:
    place = samples.ENVIRONMENT | {"threads": 7}
    other = put(
        tmp_path / "b",
        step=other_loss(0.5),
        final_weights_digest="f",
        environment=place,
        parts=[{"first_step": 1, "backend": "torch", "environment": place}],
        stopped_early=True,
        count=40,
    )
    found = compared(put(tmp_path / "a"), other)
    assert problems(found) == []
    assert [row.name for row in found.environment][:1] == ["framework"]
    assert {"threads", "device"} <= {row.name for row in found.environment}


def test_losses_that_part_beyond_the_twins_are_a_problem_and_nearer_ones_are_not(
    tmp_path: Path,
) -> None:
    run, twin = put(tmp_path / "a"), put_twin(tmp_path / "twin", off=1e-4)
    near = put(tmp_path / "near", step=other_loss(30 * 4e-4))
    far = put(tmp_path / "far", step=other_loss(31 * 5e-4))
    assert problems(compared(run, near, twin)) == []
    assert problems(compared(run, far, twin)) == [
        "torch (a) and torch (far): the losses first part beyond the twins at step 5"
    ]
    assert problems(compared(run, far)) == [], "not known without twins"


def test_runs_without_a_common_step_are_a_problem(tmp_path: Path) -> None:
    recipe = samples.RECIPE | {"stages": [samples.STAGE | {"name": "other"}]}
    other = put(tmp_path / "b", step=lambda _: {"stage": "other"}, recipe=recipe)
    text = (other / "epochs.csv").read_text().replace("train,", "other,")
    (other / "epochs.csv").write_text(text.replace("other,epoch", "stage,epoch"))
    told = problems(compared(put(tmp_path / "a"), other))
    assert told[1] == "torch (a) and torch (b): no step is of the same stage in both"


def test_of_many_differences_the_first_are_named(tmp_path: Path) -> None:
    stage = samples.STAGE | {f"key{n}": n for n in range(NAMED + 2)}
    other = put(tmp_path / "b", recipe=samples.RECIPE | {"stages": [stage]})
    (told,) = problems(compared(put(tmp_path / "a"), other))
    assert told.endswith("recipe.stages.1.key5 and 2 more")


def test_a_twin_that_ran_elsewhere_is_told_of(tmp_path: Path) -> None:
    place = samples.run("torch")["environment"]
    part = {"first_step": 1, "backend": "torch"}
    runs = [put(tmp_path / "a"), put(tmp_path / "b", "jax")]
    elsewhere = place | {"threads": 1}
    changes = {"environment": elsewhere, "parts": [part | {"environment": elsewhere}]}
    found = compared(*runs, put_twin(tmp_path / "t", **changes), put_twin(tmp_path / "u", 2))
    (told,) = found.other_places()
    assert (told[0].id, told[1].id, told[2]) == ("t", "a", ["threads"])


# As data.


def test_all_of_it_is_data_without_nan_or_infinity(tmp_path: Path) -> None:
    run, twin = put(tmp_path / "a"), put_twin(tmp_path / "twin", off=1e-4)
    huge = put(tmp_path / "b", "jax", step=other_loss(1.7e308, at=9), seed=1)
    low = put(tmp_path / "c", "jax", step=other_loss(-1.7e308, at=9))
    found = compared(run, huge, low, twin)
    data = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert data["verdict"] == "differs"
    assert data["problems"] == problems(found)
    assert [each["label"] for each in data["runs"]] == ["torch", "jax (b)", "jax (c)"]
    assert [each["folder"] for each in data["runs"]] == [str(run), str(huge), str(low)]
    assert data["runs"][0]["settings"] == recipe(found.given.runs[0])
    assert data["runs"][0]["environment"]["threads"] == 2
    assert data["runs"][0]["losses"] == [row["loss"] for row in samples.steps("torch")]
    (told,) = data["twins"]
    assert (told["label"], told["twin"], told["of"]) == ("torch twin 1", 1, ["torch"])
    assert data["recipe"] == {
        "same": False,
        "differences": [{"name": "seed", "values": {"torch": 0, "jax (b)": 1, "jax (c)": 0}}],
    }
    pairs = data["pairs"]
    assert [pair["runs"] for pair in pairs] == [
        ["torch", "jax (b)"],
        ["torch", "jax (c)"],
        ["jax (b)", "jax (c)"],
    ]
    first, _, last = pairs
    assert (first["twins"], first["factor"], first["first_step_beyond_twins"]) == (1, 30, 9)
    assert first["largest_of_twins"] == "inf"
    assert (len(first["distances"]), len(first["twins_so_far"])) == (60, 60)
    assert last["distances"][8] == "inf"
    assert (last["twins"], last["largest_of_twins"], last["twins_so_far"]) == (0, None, [])
    assert last["first_step_beyond_twins"] is None


def test_the_data_of_equal_runs_say_so(tmp_path: Path) -> None:
    data = to_json(compared(put(tmp_path / "a"), put(tmp_path / "b")))
    assert (data["verdict"], data["problems"]) == ("same", [])
    (pair,) = data["pairs"]
    for name in ("initial_weights_equal", "final_weights_equal", "final_slots_equal"):
        assert pair[name] is True
    assert (pair["first_step_of_other_batch"], pair["first_step_of_other_loss"]) == (None, None)
    assert data["environment"] == {"same": True, "differences": []}


def test_what_a_record_does_not_say_is_left_out(tmp_path: Path) -> None:
    other = put(tmp_path / "b", planned_steps=None)
    data = to_json(compared(put(tmp_path / "a"), other))
    assert data["recipe"]["differences"] == [
        {"name": "planned_steps", "values": {"torch (a)": samples.STEPS}}
    ]
