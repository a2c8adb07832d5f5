"""The exporter: its files are the committed ones, and say what the authors' say."""

from __future__ import annotations

import keras
import pytest

from ranparity.caffe import canonical, graph, prototxt, published
from ranparity.caffe.description import describe
from ranparity.commands.export import exported
from ranparity.errors import InputError
from ranparity.models import describe as keras_describe
from ranparity.models import zoo
from ranparity.models.export import to_prototxt
from tests.models.test_attention import small


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_published_nets_have_the_authors_digest(name: str) -> None:
    entry = zoo.entry(name)
    found = published.identify(prototxt.read(entry.prototxt))
    if entry.origin == "derived":
        assert found is None
    else:
        assert found is not None
        assert found.file == f"{entry.title}-deploy.prototxt"
        assert found.errata == entry.release.errata


def test_another_size_writes_its_own_head() -> None:
    entry = zoo.entry("attention56")
    net = prototxt.parse(exported(entry, (224, 320)))
    assert net.inputs[0].shape == (1, 3, 224, 320)
    (head,) = (layer for layer in net.layers if layer.name == "ave_pool")
    assert (head.pooling_param.kernel_h, head.pooling_param.kernel_w) == (7, 10)
    assert describe(graph.build(net)).layers[-1].facts.tops == ((1, 1000),)
    assert published.identify(net) is None


def test_what_is_exported_describes_the_model() -> None:
    model = small()
    there = describe(graph.build(prototxt.parse(to_prototxt(model, "Tiny"))))
    here = keras_describe.describe(model)
    assert there.layers == here.layers
    assert there.inputs == here.inputs
    assert there.totals == here.totals


def test_a_derived_net_can_be_trained_in_caffe() -> None:
    """Caffe fills a slope that is not told otherwise with zeros, and weights too."""
    net = prototxt.parse(to_prototxt(small(), "Tiny"))
    for layer in net.layers:
        if layer.type == "BN":
            assert layer.bn_param.slope_filler.value == 1
            assert not layer.bn_param.frozen
        if layer.type == "Convolution":
            assert layer.convolution_param.weight_filler.type == "msra"


def test_a_layer_that_starts_uniformly_says_so() -> None:
    model = zoo.entry("dranet-cifar@16").build(initializer=keras.initializers.Zeros)
    net = prototxt.parse(to_prototxt(model, "Net"))
    starts = {x.name: x.inner_product_param for x in net.layers if x.type == "InnerProduct"}
    for name, inputs in (("embedding", 32), ("classifier/fc2", 16)):
        for filler in (starts[name].weight_filler, starts[name].bias_filler):
            assert (filler.type, filler.min, filler.max) == (
                "uniform",
                pytest.approx(-(inputs**-0.5)),
                pytest.approx(inputs**-0.5),
            )
    attractors = starts["aggregation"]
    assert not attractors.HasField("weight_filler")


def test_a_relu_works_in_place_only_as_the_one_reader() -> None:
    """In the ResNeXt form the ReLU overwrites its sum, which a second reader would lack."""
    from ranparity.models import layers

    given = keras.Input((4, 4, 2), name="data")
    total = layers.Eltwise("SUM", caffe_name="sum", caffe_order=0)([given, given])
    active = layers.ReLU(caffe_name="sum/relu", caffe_order=1)(total)
    out = layers.Eltwise("SUM", caffe_name="out", caffe_order=2)([active, total])
    net = prototxt.parse(to_prototxt(keras.Model(given, out), "Net"))
    assert list(net.layers[1].top) == ["sum/relu"]
    assert list(net.layers[2].bottom) == ["sum/relu", "sum"]


def test_a_layer_without_a_counterpart_is_refused() -> None:
    given = keras.Input((4, 4, 2), name="data")
    model = keras.Model(given, keras.layers.Conv2D(3, 1, name="plain")(given), name="net")
    with pytest.raises(InputError) as caught:
        to_prototxt(model, "Net")
    assert str(caught.value) == (
        "model net: layer 'plain' (Conv2D) has no counterpart in Caffe; expected one of "
        + ", ".join(sorted(layer.__name__ for layer in keras_describe.READERS))
    )


def test_the_canonical_digest_sees_one_changed_number() -> None:
    entry = zoo.entry("attention56")
    net = prototxt.read(entry.prototxt)
    text = entry.prototxt.read_text().replace("num_output: 512", "num_output: 511", 1)
    assert canonical.digest(prototxt.parse(text)) != canonical.digest(net)
