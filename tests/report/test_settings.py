from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ranparity.report import settings
from ranparity.report.run_record import read_run
from ranparity.report.runs import FinishedRun
from ranparity.report.settings import MISSING, Difference
from ranparity.training import recipe as recipes
from tests.report import samples
from tests.report.test_structure import words

OTHERS = {  # of a run.json, and what then differs
    "model": ({"model": "narrow"}, "model"),
    "data": ({"data": samples.DATA | {"name": "other"}}, "data.name"),
    "digest": ({"data": samples.DATA | {"digest": "e" * 64}}, "data.digest"),
    "train": ({"data": samples.DATA | {"train": 3}}, "data.train"),
    "test": ({"data": samples.DATA | {"test": 3}}, "data.test"),
    "seed": ({"seed": 1}, "seed"),
    "precision": ({"precision": "float64"}, "precision"),
    "parts": ({"accumulate": {"parts": 4}}, "accumulate"),
    "planned steps": ({"planned_steps": 99}, "planned_steps"),
    "start": ({"starting_weights": {"file": "a.weights.h5"}}, "starting_weights"),
    "recipe": ({"recipe": samples.RECIPE | {"name": "other"}}, "recipe.name"),
    "stage": (
        {"recipe": samples.RECIPE | {"stages": [samples.STAGE | {"learning_rate": 0.1}]}},
        "recipe.stages.1.learning_rate",
    ),
    "schedule": (
        {"recipe": samples.RECIPE | {"stages": [samples.STAGE | {"schedule": []}]}},
        "recipe.stages.1.schedule",
    ),
}


def run(**changes: Any) -> FinishedRun:
    content = samples.run("torch") | {"planned_steps": 60} | changes
    files = samples.run_files("torch") | {"run.json": samples.encoded(content)}
    found = read_run("r", files)
    assert isinstance(found, FinishedRun)
    return found


def other(**changes: Any) -> list[str]:
    """The names under which a changed run differs from the run."""
    both = [settings.recipe(run()), settings.recipe(run(**changes))]
    return [row.name for row in settings.differences(both)]


@pytest.mark.parametrize(("changes", "name"), OTHERS.values(), ids=OTHERS)
def test_what_is_asked_in_another_way_differs_under_its_name(
    changes: dict[str, Any], name: str
) -> None:
    assert other(**changes) == [name]


def test_where_it_runs_what_comes_out_and_which_twin_it_is_are_no_part_of_it() -> None:
    place = samples.ENVIRONMENT | {"threads": 7}
    assert other(backend="torch", environment=place, test_loss=7.0, twin=3, remat=True) == []
    assert other(data=samples.DATA | {"source": "elsewhere"}) == [], "the digest says what it is"


def test_fields_that_older_records_lack_are_at_their_defaults() -> None:
    later = {"part": "whole", "e4040_noise": None}
    assert set(later) == set(recipes.LATER)
    assert other(recipe=samples.RECIPE | {"stages": [samples.STAGE | later]}) == []
    noise = samples.STAGE | later | {"e4040_noise": 0.1}
    assert other(recipe=samples.RECIPE | {"stages": [noise]}) == ["recipe.stages.1.e4040_noise"]


def test_a_stage_that_a_run_has_not_is_missing_field_by_field() -> None:
    second = samples.STAGE | {"name": "second"}
    both = [
        settings.recipe(run()),
        settings.recipe(run(recipe=samples.RECIPE | {"stages": [samples.STAGE, second]})),
    ]
    rows = settings.differences(both)
    assert {row.name.rpartition(".")[0] for row in rows} == {"recipe.stages.2"}
    assert all(row.values[0] is MISSING for row in rows)
    assert Difference("recipe.stages.2.name", (MISSING, "second")) in rows


def test_switches_have_names_of_their_own() -> None:
    found = settings.environment(run())
    assert found["switches.deterministic"] is True
    assert (found["framework"], found["threads"], found["remat"]) == ("torch 1.0", 2, False)


def test_values_of_parts_stand_one_after_another_where_they_differ() -> None:
    first, last = (samples.run(name)["environment"] for name in ("torch", "jax"))
    parts = [
        {"first_step": 1, "backend": "torch", "environment": first},
        {"first_step": 41, "backend": "jax", "environment": last | {"novelty": 1}},
    ]
    found = settings.environment(run(parts=parts, backend="jax", environment=last))
    assert found["backend"] == "torch then jax"
    assert found["framework"] == "torch 1.0 then jax 1.0"
    assert (found["threads"], found["novelty"]) == (2, "— then 1")


def test_a_run_that_does_not_say_where_it_was_made_has_little() -> None:
    part = {"first_step": 1, "backend": "torch"}
    found = run(environment=None, parts=[part])
    assert settings.environment(found) == {"backend": "torch", "remat": False}
    known = replace(found, environment={"threads": 3})
    assert settings.environment(known)["threads"] == 3


def test_the_table_has_a_column_for_each_run_and_short_digests() -> None:
    rows = (
        Difference("a", (1, None, MISSING)),
        Difference("b", ("f" * 64, True, "x\x1b[1m")),
    )
    table = settings.table("What", ["one", "two", "three"], rows)
    assert [words(column.title) for column in table.columns] == ["What", "one", "two", "three"]
    assert [[words(cell.text) for cell in row] for row in table.rows] == [
        ["a", "1", "none", "—"],
        ["b", "ffffffffffff…", "true", "x\N{REPLACEMENT CHARACTER}[1m"],
    ]
