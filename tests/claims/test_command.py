from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from ranparity import cli
from ranparity.claims import command, ledger
from ranparity.claims.kinds import Claim
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training import options, recipe

RUN = "ranparity run --model attention92-cifar --data cifar10 --recipe paper-cifar"
TRIED = [claim for claim in ledger.load().claims if claim.command]


@pytest.mark.parametrize("claim", TRIED, ids=lambda claim: claim.id)
def test_the_real_parser_takes_every_command(claim: Claim) -> None:
    """And reads the same of it as `claims` does; names of nets and recipes are those of here."""
    words = claim.command.split()
    arguments = cli.parser().parse_args(words[1:])
    entry = zoo.entry(claim.net)
    assert entry.name == claim.net
    assert entry.parts[0] == "whole"
    if words[1] == "check":
        assert arguments.models == [command.checked(claim.command)] == [claim.net]
        return
    asked = command.training(claim.command)
    assert (asked.model, asked.data) == (arguments.model, arguments.data)
    assert asked.model == claim.net
    assert claim.data
    assert asked.data == claim.data.option
    assert asked.recipe == options.overridden(recipe.named(arguments.recipe), arguments)


def test_options_of_a_command_are_numbers_of_its_recipe() -> None:
    asked = command.training(f"{RUN} --label-noise 0.3")
    (stage,) = asked.recipe.stages
    assert (asked.recipe.name, stage.label_noise) == ("paper-cifar", 0.3)
    assert asked.steps(50_000) == 160_000
    assert command.training(f"{RUN} --epochs 2").steps(50_000) == 2 * 781


def recorded(**changes: Any) -> Any:
    """A recipe as a record holds it."""
    plain = recipe.named("paper-cifar")
    changed = replace(plain, stages=(replace(plain.stages[0], **changes),))
    return json.loads(json.dumps(asdict(changed)))


def test_the_same_recipe_has_no_difference() -> None:
    assert command.training(RUN).differences(recorded()) == []
    noisy = command.training(f"{RUN} --label-noise 0.3")
    assert noisy.differences(recorded(label_noise=0.3)) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (recorded(label_noise=0.1), ["label noise 0.1"]),
        (recorded(epochs=6, learning_rate=0.05), ["epochs 6", "learning rate 0.05"]),
        (recorded(schedule=((9, 0.1),)), ["schedule [[9, 0.1]]"]),
        (recorded() | {"name": "mine"}, ["recipe mine"]),
        (
            recorded()
            | {"stages": [*recorded()["stages"], {**recorded()["stages"][0], "name": "b"}]},
            ["2 stages for 1"],
        ),
    ],
)
def test_another_recipe_says_where(found: Any, expected: list[str]) -> None:
    assert command.training(RUN).differences(found) == expected


@pytest.mark.parametrize("found", [None, {}, {"name": "paper-cifar"}, recorded() | {"more": 1}])
def test_what_is_no_recipe_is_a_difference(found: Any) -> None:
    (told,) = command.training(RUN).differences(found)
    assert told.startswith("recipe: expected ")


def test_numbers_that_older_records_lack_count_as_they_were() -> None:
    found = recorded()
    for name in recipe.LATER:
        del found["stages"][0][name]
    assert command.training(RUN).differences(found) == []
    del found["stages"][0]["momentum"]
    assert command.training(RUN).differences(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ranparity check x", "expected `ranparity run ...`. Received: 'ranparity check x'"),
        ("ranparity run --model x", "the following arguments are required: --data, --recipe"),
        (f"{RUN} --moment 0.9", "unrecognized arguments: --moment 0.9"),
        (f"{RUN} --seed 1", "unrecognized arguments: --seed 1"),
    ],
)
def test_what_is_no_training_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        command.training(text)
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["ranparity run x", "ranparity check", "ranparity check a b", ""])
def test_what_is_no_check_of_one_net_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^expected `ranparity check NET`\. Received: "):
        command.checked(text)
