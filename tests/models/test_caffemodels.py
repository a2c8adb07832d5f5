"""A model's numbers into a .caffemodel and back, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ranparity.caffe import caffemodel, graph, opencv, prototxt, weights
from ranparity.caffe.arbiter import run
from ranparity.caffe.caffemodel import Blob, CaffeModel, LayerBlobs
from ranparity.errors import InputError
from ranparity.models import caffemodels, zoo
from ranparity.models.export import to_prototxt
from ranparity.training import variables

NET = "attentionnext56@16"  # with groups
SIZE = (64, 64, 3)
Change = Callable[[list[LayerBlobs]], None]


def built(name: str = NET, **arguments: Any) -> Any:
    return zoo.entry(name).build(input_shape=SIZE, **arguments)


def drawn(seed: int) -> Any:
    """A model whose every number is its own."""
    model, random = built(initializer=keras.initializers.Zeros), np.random.default_rng(seed)
    for variable in model.variables:
        shape = tuple(variable.shape)
        scale = 1 / np.sqrt(max(1, np.prod(shape[:-1])))
        low = 0.5 if variable.name in ("moving_variance", "gamma") else -1
        variable.assign(random.uniform(low, 1, shape) * (scale if len(shape) > 1 else 1))
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of `drawn(0)`, as the authors' fork has it."""
    path = tmp_path_factory.mktemp("saved") / "net.caffemodel"
    caffemodels.save(drawn(0), path)
    return path


@pytest.fixture(scope="module")
def other() -> Any:
    """A model that files are tried on, and that none changes."""
    return drawn(1)


def values(model: Any) -> dict[str, Any]:
    return {name: keras.ops.convert_to_numpy(x.value) for name, x in variables.named(model).items()}


@pytest.mark.parametrize("bn", ["variance", "inverse-std"])
def test_what_is_saved_is_loaded(bn: str, tmp_path: Path) -> None:
    model, path = drawn(0), tmp_path / "net.caffemodel"
    caffemodels.save(model, path, bn)
    other = drawn(1)
    assert caffemodels.load(other, path, bn) == ()
    expected = values(model)
    for name, value in values(other).items():
        slack = 3e-7 if bn == "inverse-std" and name.endswith("variance") else 0
        np.testing.assert_allclose(value, expected[name], rtol=slack, atol=slack)


def test_a_builder_takes_the_file_and_reads_it_as_the_authors_fork_does(tmp_path: Path) -> None:
    model, path = drawn(0), tmp_path / "net.caffemodel"
    caffemodels.save(model, path)
    loaded = built(weights=path)
    images = np.random.default_rng(2).standard_normal((2, *SIZE)).astype(np.float32)
    mine, theirs = (keras.ops.convert_to_numpy(x(images, training=False)) for x in (model, loaded))
    np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    caffemodels.load(loaded, path, "variance")
    other = keras.ops.convert_to_numpy(loaded(images, training=False))
    assert np.abs(other - mine).max() > 1e-3, "the other reading is another net"


def test_the_file_is_what_caffes_names_and_layouts_say(tmp_path: Path) -> None:
    """The arbiter and OpenCV, given the file's blobs, compute what the model computes."""
    model, path = drawn(0), tmp_path / "net.caffemodel"
    caffemodels.save(model, path, "variance")
    arbiter = run.Arbiter(graph.build(prototxt.parse(to_prototxt(model, "Net"))))
    file = caffemodel.read(path).by_name()
    numbers = {}
    for step in arbiter.steps:
        names = (*step.facts.parameters, *step.facts.statistics)
        blobs = file[step.node.name].blobs if names else ()
        for name, blob in zip(names, blobs, strict=True):
            numbers[f"{step.node.name}/{name}"] = blob.shaped(blob.shape)
    images = np.random.default_rng(2).standard_normal((2, *SIZE)).astype(np.float32)
    given = {"data": np.ascontiguousarray(images.transpose(0, 3, 1, 2))}
    found = arbiter.forward(run.tensors(given), run.tensors(numbers), training=False)
    mine = keras.ops.convert_to_numpy(model(images, training=False))
    last = arbiter.steps[-1].node.outputs[0]
    np.testing.assert_allclose(mine, found.blobs[last].numpy(), rtol=1e-3, atol=1e-6)
    arbiter = run.Arbiter(arbiter.graph, {"data": given["data"].shape})
    theirs = opencv.forward(arbiter.graph, given, numbers)[last]
    np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-6)


def without(name: str) -> Change:
    def change(layers: list[LayerBlobs]) -> None:
        layers[:] = [layer for layer in layers if layer.name != name]

    return change


def with_blobs(name: str, make: Callable[[tuple[Blob, ...]], tuple[Blob, ...]]) -> Change:
    def change(layers: list[LayerBlobs]) -> None:
        layers[:] = [
            LayerBlobs(layer.name, layer.type, make(layer.blobs)) if layer.name == name else layer
            for layer in layers
        ]

    return change


def filled(value: float) -> Callable[[tuple[Blob, ...]], tuple[Blob, ...]]:
    return lambda blobs: (*blobs[:3], Blob(np.full(4, value, np.float32), (4,)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            without("conv1"),
            'layer "conv1" (Convolution): expected weight 4x3x7x7, found no such layer with blobs',
        ),
        (
            with_blobs("conv1", lambda blobs: (*blobs, *blobs)),
            'layer "conv1" (Convolution): expected 1 blobs (weight 4x3x7x7), found 2',
        ),
        (
            with_blobs("conv1/bn", lambda blobs: blobs[:2]),
            'layer "conv1/bn" (BN): expected 4 blobs (slope 4, bias 4, mean 4, variance 4), '
            "found 2",
        ),
        (
            with_blobs("conv1", lambda _: (Blob(np.zeros(4, np.float32), (4,)),)),
            'layer "conv1" (Convolution): expected the blob weight of 4x3x7x7, found 4',
        ),
        (
            with_blobs("conv1/bn", filled(-1)),
            'layer "conv1/bn" (BN): expected inverse standard deviations above 0 in its fourth '
            "blob, found -1: are they variances (bn: variance)?",
        ),
        (
            with_blobs("conv1/bn", filled(1e4)),
            'layer "conv1/bn" (BN): expected inverse standard deviations of at most 1/sqrt(eps), '
            "found 1e+04: are they variances (bn: variance)?",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_the_model_is_as_before(
    change: Change, message: str, saved: Path, other: Any, tmp_path: Path
) -> None:
    layers = list(caffemodel.read(saved).layers)
    change(layers)
    changed = tmp_path / "changed.caffemodel"
    caffemodel.write(changed, "net", layers)
    before = values(other)
    with pytest.raises(InputError) as error:
        caffemodels.load(other, changed)
    assert str(error.value) == f"{changed}: {message}"
    for name, value in values(other).items():
        np.testing.assert_array_equal(value, before[name])


def test_blobs_of_a_bn_may_be_as_any_fork_writes_them(saved: Path, other: Any) -> None:
    def wide(blobs: tuple[Blob, ...]) -> tuple[Blob, ...]:
        shapes = ((1, 4, 1, 1), (1, 4), (4,), (1, 4, 1, 1))
        old = (False, False, False, True)
        return tuple(
            Blob(blob.values, shape, is_old)
            for blob, shape, is_old in zip(blobs, shapes, old, strict=True)
        )

    layers = list(caffemodel.read(saved).layers)
    with_blobs("conv1/bn", wide)(layers)
    layers.append(LayerBlobs("aux/classifier", "InnerProduct", layers[0].blobs))
    file = CaffeModel("net", tuple(layers), "net.caffemodel")
    found, left = weights.numbers(file, caffemodels._layers(other))
    assert left == ("aux/classifier",)
    assert found["conv1/bn/slope"].shape == (4,)


def test_another_dialect_is_refused(saved: Path, other: Any) -> None:
    with pytest.raises(InputError, match="bn: expected one of inverse-std, variance"):
        caffemodels.load(other, saved, "std")
