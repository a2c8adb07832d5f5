from __future__ import annotations

import importlib
import json
import math
import re
import shlex
import subprocess
import sys
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity import data
from ranparity.data import normalisation
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training import recipe
from ranparity.training.recipe import Recipe, Stage
from ranparity.training.update import RULES

DIGITS = recipe.named("digits")
(STAGE,) = DIGITS.stages
DEFAULTS = asdict(
    Stage(
        epochs=1,
        batch_size=1,
        learning_rate=1.0,
        update="caffe-sgd",
        momentum=0.0,
        weight_decay=0.0,
        normalisation="range",
    )
)

# Each recipe's numbers, as the sources have them.
NUMBERS: dict[str, dict[str, Any]] = {
    "digits": {
        "epochs": 8,
        "batch_size": 64,
        "learning_rate": 0.05,
        "schedule": ((132, 0.1),),
        "update": "caffe-nesterov",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "normalisation": "range",
    },
    "paper-cifar": {
        "epochs": None,
        "steps": 160_000,
        "batch_size": 64,
        "learning_rate": 0.1,
        "schedule": ((64_000, 0.1), (96_000, 0.01)),
        "update": "caffe-nesterov",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "normalisation": "pixel-mean",
        "padding": 4,
        "flip": True,
    },
    "paper-imagenet": {
        "epochs": None,
        "steps": 530_000,
        "batch_size": 256,
        "learning_rate": 0.1,
        "schedule": ((200_000, 0.1), (400_000, 0.01), (500_000, 0.001)),
        "update": "caffe-sgd",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "normalisation": "pixel-mean",
        "flip": True,
    },
    "e4040": {
        "epochs": 250,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "update": "adamw-keras",
        "momentum": 0.9,
        "normalisation": "channel-standard",
        "flip": True,
        "shift": 4,
        "patience": 15,
    },
    "rescon": {
        "epochs": 10,
        "batch_size": 16,
        "learning_rate": 0.1,
        "update": "caffe-nesterov",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "padding": 4,
        "flip": True,
    },
    "tengshaofeng-mixup": {
        "epochs": 320,
        "batch_size": 64,
        "learning_rate": 0.1,
        "schedule": ((74_976, 0.1), (149_952, 0.01), (224_928, 0.001)),
        "update": "caffe-nesterov",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "padding": 4,
        "flip": True,
        "mixup": 1.0,
        "mixup_epochs": 301,
    },
}

# The same, of those with two stages.
OF_STAGES: dict[str, list[dict[str, Any]]] = {
    "dranet": [
        {
            "name": "features",
            "part": "features",
            "epochs": 3,
            "batch_size": 64,
            "learning_rate": 0.01,
            "momentum": 0.9,
            "normalisation": "imagenet",
        },
        {
            "name": "aggregation",
            "part": "aggregation",
            "epochs": 2,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "update": "adamw-pytorch",
            "momentum": 0.9,
            "weight_decay": 0.01,
            "normalisation": "imagenet",
        },
    ],
}
OF_STAGES["dranet-digits"] = [
    OF_STAGES["dranet"][0] | {"epochs": 4, "learning_rate": 0.05, "schedule": ((66, 0.1),)},
    OF_STAGES["dranet"][1] | {"epochs": 3},
]


def module_of(name: str) -> Any:
    return importlib.import_module(f"ranparity.training.recipes.{name.replace('-', '_')}")


@pytest.mark.parametrize("name", recipe.NAMES)
def test_a_recipe_has_its_name_and_opens_with_what_one_must_know(name: str) -> None:
    module = module_of(name)
    assert recipe.named(name) is module.RECIPE
    assert module.RECIPE.name == name
    for heading in ("Source:", "Command:", "Cost:", "Known result:"):
        assert heading in (module.__doc__ or "")


@pytest.mark.parametrize("name", recipe.NAMES)
def test_a_recipes_numbers_are_its_sources(name: str) -> None:
    expected = OF_STAGES[name] if name in OF_STAGES else [NUMBERS[name]]
    assert [asdict(stage) for stage in recipe.named(name).stages] == [
        DEFAULTS | numbers for numbers in expected
    ]


@pytest.mark.parametrize("name", recipe.NAMES)
def test_a_recipes_command_can_be_run(name: str) -> None:
    (command,) = re.findall(
        r"Command:\s+`(python -m ranparity\.run .*)`\n", module_of(name).__doc__
    )
    given = shlex.split(command)[3:]
    options = dict(zip(given[::2], given[1::2], strict=True))
    assert set(options) == {"--model", "--data", "--recipe"}
    assert options["--recipe"] == name
    assert options["--data"] in data.NAMES
    zoo.entry(options["--model"])


def test_an_unknown_recipe_is_bad_input() -> None:
    with pytest.raises(InputError) as caught:
        recipe.named("imagenet")
    assert str(caught.value) == (
        "recipe: expected one of digits, paper-cifar, paper-imagenet, e4040, rescon, "
        "tengshaofeng-mixup, dranet, dranet-digits. Received: 'imagenet'"
    )


def test_the_rate_follows_the_schedule() -> None:
    scheduled = replace(STAGE, learning_rate=2.0, schedule=((3, 0.1), (5, 0.01)))
    assert [scheduled.rate(step) for step in range(7)] == [2, 2, 2, 0.2, 0.2, 0.02, 0.02]
    assert replace(scheduled, schedule=()).rate(1000) == 2


def test_the_papers_rate_drops_where_the_paper_says() -> None:
    (stage,) = recipe.named("paper-cifar").stages
    rates = [stage.rate(step) for step in (63_999, 64_000, 95_999, 96_000, 159_999)]
    assert rates == pytest.approx([0.1, 0.01, 0.01, 0.001, 0.001])


@given(
    st.one_of(
        st.tuples(st.integers(1, 99), st.none()),
        st.tuples(st.none(), st.integers(1, 999)),
        st.tuples(st.integers(1, 99), st.integers(1, 999)),
    ),
    st.integers(1, 50),
)
def test_a_stage_ends_at_what_comes_first(
    limits: tuple[int | None, int | None], per_epoch: int
) -> None:
    epochs, steps = limits
    length = replace(STAGE, epochs=epochs, steps=steps).length(per_epoch)
    ends = [end for end in (epochs and epochs * per_epoch, steps) if end]
    assert length in ends
    assert all(length <= end for end in ends)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs: expected a whole number, 1 or more, or none. Received: 0"),
        ({"batch_size": -3}, "batch_size: expected a whole number, 1 or more. Received: -3"),
        ({"learning_rate": 0.0}, "learning_rate: expected a finite number above 0. Received: 0.0"),
        (
            {"learning_rate": math.nan},
            "learning_rate: expected a finite number above 0. Received: nan",
        ),
        (
            {"learning_rate": math.inf},
            "learning_rate: expected a finite number above 0. Received: inf",
        ),
        ({"momentum": 1.0}, "momentum: expected 0 or more and below 1. Received: 1.0"),
        (
            {"weight_decay": -1e-4},
            "weight_decay: expected a finite number, 0 or more. Received: -0.0001",
        ),
        (
            {"schedule": ((5, 0.1), (3, 0.01))},
            "schedule: expected STEP:FACTOR,STEP:FACTOR,... with rising steps and factors above 0, "
            "or none. Received: ((5, 0.1), (3, 0.01))",
        ),
        (
            {"update": "adam"},
            "update: expected one of caffe-sgd, caffe-nesterov, adamw-pytorch, adamw-keras. "
            "Received: 'adam'",
        ),
        (
            {"normalisation": "mean"},
            "normalisation: expected one of range, pixel-mean, channel-mean, channel-standard, "
            "imagenet. Received: 'mean'",
        ),
        ({"padding": -1}, "padding: expected a whole number, 0 or more. Received: -1"),
        ({"flip": 1}, "flip: expected true or false. Received: 1"),
        ({"shift": 0.5}, "shift: expected a whole number, 0 or more. Received: 0.5"),
        ({"mixup": 4.5}, "mixup: expected 0 (no mixup) to 4. Received: 4.5"),
        (
            {"mixup_epochs": 0},
            "mixup_epochs: expected a whole number, 1 or more, or none. Received: 0",
        ),
        ({"label_noise": 1.5}, "label_noise: expected 0 to 1. Received: 1.5"),
        (
            {"e4040_noise": -0.1},
            "e4040_noise: expected a finite number, 0 or more, or none. Received: -0.1",
        ),
        (
            {"part": "head"},
            "part: expected one of whole, features, aggregation. Received: 'head'",
        ),
        ({"patience": 0}, "patience: expected a whole number, 1 or more, or none. Received: 0"),
        ({"name": ""}, "name: expected a text. Received: ''"),
        ({"epochs": None}, "stage train: expected epochs or steps. Received: neither"),
    ],
)
def test_numbers_out_of_range_are_bad_input(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(STAGE, **changes)
    assert str(caught.value) == message


@pytest.mark.parametrize("stages", [(), (STAGE, STAGE)])
def test_stages_are_told_apart_by_their_names(stages: tuple[Stage, ...]) -> None:
    names = [stage.name for stage in stages]
    with pytest.raises(InputError) as caught:
        Recipe("mine", stages)
    message = f"recipe mine: expected stages, each of another name. Received: {names}"
    assert str(caught.value) == message


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        STAGE.epochs = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        DIGITS.stages = ()  # type: ignore[misc]


def test_the_kinds_of_normalisation_are_those_that_there_are() -> None:
    assert recipe.NORMALISATIONS == normalisation.KINDS


# Records.

POSITIVE = st.floats(1e-300, 1e300)
STAGES = st.builds(
    Stage,
    name=st.text(min_size=1),
    part=st.sampled_from(recipe.PARTS),
    epochs=st.integers(1),
    steps=st.none() | st.integers(1),
    batch_size=st.integers(1),
    learning_rate=POSITIVE,
    schedule=st.dictionaries(st.integers(0), POSITIVE, max_size=4).map(
        lambda factors: tuple(sorted(factors.items()))
    ),
    update=st.sampled_from(list(RULES)),
    momentum=st.floats(0, 1, exclude_max=True),
    weight_decay=st.floats(0, 1e300),
    normalisation=st.sampled_from(recipe.NORMALISATIONS),
    padding=st.integers(0),
    flip=st.booleans(),
    shift=st.integers(0),
    mixup=st.floats(0, 4),
    mixup_epochs=st.none() | st.integers(1),
    label_noise=st.floats(0, 1),
    e4040_noise=st.none() | st.floats(0, 1e300),
    patience=st.none() | st.integers(1),
)


@given(st.text(), st.lists(STAGES, min_size=1, max_size=3, unique_by=lambda stage: stage.name))
def test_a_record_gives_the_recipe_back(name: str, stages: list[Stage]) -> None:
    written = Recipe(name, tuple(stages))
    read = recipe.from_json(json.loads(json.dumps(asdict(written), allow_nan=False)))
    assert read == written
    assert repr(read) == repr(written)  # 1 and 1.0 are equal, and not the same record


def record(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(asdict(DIGITS)))
    content["stages"][0].update(changes)
    return content


STAGE_FIELDS = ", ".join(each.name for each in fields(Stage))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            record(momentum=2),
            "recipe.stages[0].momentum: expected 0 or more and below 1. Received: 2",
        ),
        (
            record(schedule=[[3]]),
            "recipe.stages[0].schedule: expected STEP:FACTOR,STEP:FACTOR,... with rising steps and "
            "factors above 0, or none. Received: ((3,),)",
        ),
        (
            record(schedule=3),
            "recipe.stages[0].schedule: expected STEP:FACTOR,STEP:FACTOR,... with rising steps and "
            "factors above 0, or none. Received: 3",
        ),
        (record(name=None), "recipe.stages[0].name: expected a text. Received: None"),
        (record(epochs=None), "stage train: expected epochs or steps. Received: neither"),
        (
            {"name": "x", "stages": [{"epochs": 3}]},
            f"recipe.stages[0]: expected the fields {STAGE_FIELDS}. "
            "Received: ['e4040_noise', 'epochs', 'part']",
        ),
        (
            {"name": "x", "stages": [7]},
            f"recipe.stages[0]: expected the fields {STAGE_FIELDS}. Received: 7",
        ),
        ({"name": "x"}, "recipe: expected the fields name, stages. Received: ['name']"),
        (
            {"name": "x", "stages": [], "seed": 0},
            "recipe: expected the fields name, stages. Received: ['name', 'seed', 'stages']",
        ),
        ([], "recipe: expected the fields name, stages. Received: []"),
        (
            {"name": "x", "stages": {}},
            "recipe: expected a name and a list of stages. Received: {'name': 'x', 'stages': {}}",
        ),
        (
            {"name": "x", "stages": []},
            "recipe x: expected stages, each of another name. Received: []",
        ),
    ],
)
def test_a_record_that_is_no_recipe_is_bad_input(content: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe.from_json(content)
    assert str(caught.value) == message


def test_an_error_says_where_the_record_is() -> None:
    with pytest.raises(InputError) as caught:
        recipe.from_json(record(shift=-1), "runs/a/run.json: recipe")
    assert str(caught.value).startswith("runs/a/run.json: recipe.stages[0].shift: expected a whole")


def test_what_records_of_earlier_versions_lack_is_how_their_runs_trained() -> None:
    content = record()
    for name in ("part", "e4040_noise"):
        del content["stages"][0][name]
    assert recipe.from_json(content) == DIGITS
    assert (STAGE.part, STAGE.e4040_noise) == ("whole", None)


REQUIRED = [each.name for each in fields(Stage) if each.name not in recipe.LATER]


@pytest.mark.parametrize("name", REQUIRED)
def test_no_other_field_of_a_record_may_be_missing(name: str) -> None:
    content = record()
    del content["stages"][0][name]
    with pytest.raises(InputError, match=r"^recipe\.stages\[0\]: expected the fields name, "):
        recipe.from_json(content)


# The default.


@pytest.mark.parametrize(
    ("model", "dataset", "expected"),
    [
        ("attention56-cifar", "digits", ("digits", "the data is digits")),
        (
            "attention56-cifar",
            "cifar10:data",
            ("paper-cifar", "attention56-cifar takes 32x32 images"),
        ),
        (
            "attention56-cifar",
            "folder:data",
            ("paper-cifar", "attention56-cifar takes 32x32 images"),
        ),
        ("attention56", "folder:data", ("paper-imagenet", "attention56 takes 224x224 images")),
        ("dranet", "cifar10", ("dranet", "dranet is trained in two stages")),
        (
            "dranet-cifar@16",
            "digits",
            ("dranet-digits", "dranet-cifar@16 is trained in two stages"),
        ),
    ],
)
def test_a_model_and_its_data_have_a_recipe(
    model: str, dataset: str, expected: tuple[str, str]
) -> None:
    assert recipe.default(model, dataset) == expected


@pytest.mark.parametrize("model", zoo.ENTRIES)
def test_every_model_has_a_recipe(model: str) -> None:
    assert recipe.default(model, "cifar10")[0] in recipe.NAMES


def test_the_help_needs_no_numpy() -> None:
    program = (
        "import argparse, sys\n"
        "from ranparity.training import options\n"
        "options.add_options(argparse.ArgumentParser())\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
