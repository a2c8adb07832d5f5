"""The published nets: recorded digests, errata by name, and the authors' files where they are.

With the environment variable RANPARITY_ORIGINALS naming a folder that holds the authors' files in
`original/` and other public prototxts in `public/`, digests are recomputed from the originals and
each original is compared with our file layer by layer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ranparity.caffe import canonical, graph, prototxt, published
from ranparity.caffe.description import describe
from ranparity.caffe.prototxt import LayerParameter, Net
from ranparity.caffe.published import ERRATA, PUBLISHED, Published
from ranparity.errors import InputError
from tests.caffe.nets import ROOT, layer, with_input

FOLDER = os.environ.get("RANPARITY_ORIGINALS")
ORIGINALS = Path(FOLDER or "not-given")
needs_originals = pytest.mark.skipif(
    not FOLDER,
    reason="needs the authors' files: RANPARITY_ORIGINALS=FOLDER nox -s tests, where FOLDER holds "
    "original/ and public/",
)
each_release = pytest.mark.parametrize("release", PUBLISHED, ids=lambda release: release.file)


def ours(release: Published) -> Net:
    """Our file of a published net."""
    name = release.file.replace("-deploy", "")
    return prototxt.read(ROOT / "prototxt" / name)


def differences(one: Net, other: Net) -> list[str]:
    """Where two nets differ in canonical form, layer by layer: the layer, and both sides."""
    left, right = canonical.canonical(one), canonical.canonical(other)
    found = [
        f"{field}: {left[field]} and {right[field]}"
        for field in ("name", "inputs")
        if left[field] != right[field]
    ]
    pairs = zip(left["layers"], right["layers"], strict=False)
    found += [
        f"layer {place} ({here['name']}): {here} and {there}"
        for place, (here, there) in enumerate(pairs, start=1)
        if here != there
    ]
    if len(left["layers"]) != len(right["layers"]):
        found.append(f"{len(left['layers'])} and {len(right['layers'])} layers")
    return found


@each_release
def test_our_file_has_the_recorded_digest(release: Published) -> None:
    net = ours(release)
    assert canonical.digest(net) == release.digest
    assert published.identify(net) == release


def test_a_net_that_says_something_else_is_no_published_one() -> None:
    net = ours(PUBLISHED[0])
    assert published.identify(net.with_size(225, 224)) is None
    assert published.identify(net.replace(layers=net.layers[:-1])) is None


def test_the_cifar_net_was_not_published() -> None:
    net = prototxt.read(ROOT / "prototxt" / "Attention-56-CIFAR.prototxt")
    assert published.identify(net) is None


def test_a_difference_between_two_files_is_told_with_its_layer() -> None:
    net = ours(PUBLISHED[0])
    altered = LayerParameter()
    altered.CopyFrom(net.layers[41])
    altered.top[0] = "elsewhere"
    layers = (*net.layers[:41], altered, *net.layers[42:-1])
    (first, last) = differences(net, net.replace(layers=layers))
    assert first.startswith(f"layer 42 ({net.layers[41].name}): ")
    assert "elsewhere" in first
    assert last == "385 and 384 layers"
    assert differences(net, net.replace(name="other")) == ["name: Attention-56 and other"]


# Errata.

(ERRATUM,) = ERRATA


def faulty(name: str = "AttentionNeXt-92", blob: str = "ave_pool_gather") -> Net:
    """A small net with the fault of the published AttentionNeXt-92."""
    params = "inner_product_param { num_output: 2 }"
    text = f'name: "{name}" ' + with_input(
        layer("Pooling", "pooling_param { global_pooling: true }", top="ave_pool"),
        layer("InnerProduct", params, blob, "classifier"),
    )
    return prototxt.parse(text, "net.prototxt")


def test_a_faulty_file_is_refused_with_the_option_that_repairs_it() -> None:
    with pytest.raises(InputError) as error:
        published.refuse_faulty(faulty())
    assert str(error.value) == (
        'net.prototxt: layer "classifier": as published the classifier reads "ave_pool_gather", '
        "which no layer makes; in the three other nets it reads the average pool; repair it, "
        'visibly, with --erratum classifier-reads-ave_pool (reads "ave_pool")'
    )


def test_a_repair_is_noted_and_leaves_the_net_itself_alone() -> None:
    net = faulty()
    repaired = ERRATUM.repair(net)
    assert repaired.errata == ("classifier-reads-ave_pool",)
    assert list(repaired.layers[1].bottom) == ["ave_pool"]
    assert list(net.layers[1].bottom) == ["ave_pool_gather"]
    assert repaired.layers[0] is net.layers[0]
    published.refuse_faulty(repaired)
    assert describe(graph.build(repaired)).shapes["classifier"] == (1, 2)


@pytest.mark.parametrize("net", [faulty(name="another"), faulty(blob="ave_pool")], ids=str)
def test_an_erratum_that_does_not_fit_is_refused(net: Net) -> None:
    published.refuse_faulty(net)
    with pytest.raises(InputError) as error:
        ERRATUM.repair(net)
    assert str(error.value) == (
        "net.prototxt: erratum classifier-reads-ave_pool repairs AttentionNeXt-92, whose layer "
        '"classifier" reads "ave_pool_gather"; this file has no such layer: leave --erratum out'
    )


def test_an_unknown_erratum_is_refused() -> None:
    assert published.erratum("classifier-reads-ave_pool") is ERRATUM
    with pytest.raises(InputError) as error:
        published.erratum("classifier")
    assert str(error.value) == (
        "--erratum: expected one of classifier-reads-ave_pool; found classifier"
    )


# With the authors' files.


def original(release: Published) -> Net:
    """The authors' file, with its errata applied."""
    net = prototxt.read(ORIGINALS / "original" / release.file)
    for name in release.errata:
        net = published.erratum(name).repair(net)
    return net


@needs_originals
@each_release
def test_the_original_has_the_recorded_digest(release: Published) -> None:
    assert canonical.digest(original(release)) == release.digest


@needs_originals
@each_release
def test_the_original_equals_our_file_layer_by_layer(release: Published) -> None:
    assert differences(original(release), ours(release)) == []


@needs_originals
def test_the_original_attentionnext_92_is_refused_as_published() -> None:
    net = prototxt.read(ORIGINALS / "original" / "AttentionNeXt-92-deploy.prototxt")
    with pytest.raises(InputError, match="--erratum classifier-reads-ave_pool"):
        published.refuse_faulty(net)
    with pytest.raises(InputError, match='reads blob "ave_pool_gather", which no layer before it'):
        graph.build(net)


def opencv_shapes(record: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The first output of each layer, as OpenCV gave it."""
    layers = record["layers"].items()
    return {name: tuple(shapes[0]) for name, shapes in layers if name != "_input"}
