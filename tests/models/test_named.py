"""The functions in the manner of keras.applications: one for each entry."""

from __future__ import annotations

import inspect

import pytest

from ranparity import models
from ranparity.models import zoo
from ranparity.models.entry import function_name
from ranparity.models.named import function_of


@pytest.mark.parametrize("name", models.__all__)
def test_the_functions_are_keras_applications_like(name: str) -> None:
    function = getattr(models, name)
    assert function.__name__ == name
    assert function.__doc__
    if name == "preprocess_input":
        return
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:6] == [
        "include_top",
        "weights",
        "input_shape",
        "classes",
        "classifier_activation",
        "name",
    ]


def test_every_entry_has_its_function() -> None:
    names = {function_name(entry) for entry in zoo.ENTRIES.values()}
    assert names == set(models.__all__) - {"preprocess_input"}
    assert len(names) == len(zoo.ENTRIES)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("attention56", "Attention56"),
        ("attentionnext92", "AttentionNeXt92"),
        ("attention56-cifar-no-skip", "Attention56CIFARNoSkip"),
        ("attention92-tengshaofeng", "Attention92Tengshaofeng"),
        ("dranet-cifar-diversity", "DRANetCIFARDiversity"),
        ("resnet18", "ResNet18"),
    ],
)
def test_the_name_of_a_function(name: str, function: str) -> None:
    assert function_name(zoo.entry(name)) == function


def test_a_function_builds_its_entry_with_its_arguments() -> None:
    model = function_of(zoo.entry("dranet-cifar@16"))(
        input_shape=(3, 16, 16),
        classes=3,
        classifier_activation=None,
        data_format="channels_first",
        name="narrow",
    )
    assert model.input_shape == (None, 3, 16, 16)
    assert model.output_shape == (None, 3)
    assert model.name == "narrow"
    assert models.ResNet18CIFAR(include_top=False, name="net").name == "net"


def test_the_text_of_a_function_says_its_size_and_classes() -> None:
    assert str(models.DRANetCIFAR.__doc__).startswith(
        "DRA-Net-CIFAR, for (32, 32, 3) images and 10 classes unless told."
    )


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Attention57'"):
        models.Attention57  # noqa: B018
