"""Each rule's tables find the rule altered, part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ranparity.caffe.rules import RULES
from ranparity.caffe.rules.activations import CURVES
from ranparity.caffe.rules.losses import LOSSES
from tests.caffe.rules import (
    test_activations,
    test_blobs,
    test_elements,
    test_losses,
    test_maps,
    test_shaping,
)
from tests.caffe.rules.altered import Altered
from tests.caffe.rules.tables import facts_hold, refusal_holds

TABLES = (test_activations, test_blobs, test_elements, test_losses, test_maps, test_shaping)
CASES = [row for tables in TABLES for row in tables.CASES]
REFUSALS = [row for tables in TABLES for row in tables.REFUSALS]


def test_every_rule_has_both_tables() -> None:
    assert {case.type for case in CASES} == set(RULES)
    assert {refusal.type for refusal in REFUSALS} == set(RULES)


BROKEN = (ArithmeticError, LookupError, TypeError, ValueError)  # not NameError: a slip of a test


def fails(test: Callable[..., Any], row: Any) -> bool:
    """Whether a row does not hold; an altered rule may also break down."""
    try:
        test(row)
    except (AssertionError, pytest.fail.Exception, *BROKEN):
        return True
    return False


def found_by_tables(type_: str) -> bool:
    """Whether any row of a type's tables does not hold."""
    rows = [(facts_hold, row) for row in CASES if row.type == type_]
    refused = [(refusal_holds, row) for row in REFUSALS if row.type == type_]
    return any(fails(test, row) for test, row in [*rows, *refused])


TOPS_OF_CONCAT = "*bottoms[0][axis + 1 :]"
ALTERED_RULES = [
    *((type_, Altered("curve", "one_bottom(node, bottoms)", "pass")) for type_ in CURVES),
    *((type_, Altered("loss", "*LOSSES[node.type]", "1, 4")) for type_ in LOSSES),
    ("SoftmaxWithLoss", Altered("loss", "bottoms[0]", "()")),
    ("ELU", Altered("curve", "for name in fields", "for name in ()")),
    ("DetectionOutput", Altered("detection_output", "bottoms, 3, 5", "bottoms, 2, 5")),
    ("DepthwiseConvolution", Altered("depthwise", "convolution(", "channelwise(")),
    ("Silence", Altered("silence", "bottoms, 1, None", "bottoms, 0, None")),
    ("Deconvolution", Altered("deconvolution", "stride * (side - 1)", "stride * side")),
    ("Deconvolution", Altered("deconvolution", "- 2 * pad", "- pad")),
    ("Deconvolution", Altered("deconvolution", "dilation * (kernel - 1)", "kernel - 1")),
    ("Deconvolution", Altered("deconvolution", "given.outputs // given.group", "given.outputs")),
    ("Deconvolution", Altered("deconvolution", "math.prod(size)", "math.prod(map_)")),
    ("ConvolutionDepthwise", Altered("channelwise", "shape, shape[1]", "shape, 1")),
    ("LRN", Altered("lrn", "% 2 == 0", "% 2 == 3")),
    ("Upsample", Altered("upsample", "- int(pad)", "")),
    ("Upsample", Altered("upsample", "any(pads) and", "all(pads) and")),
    ("Upsample", Altered("upsample", 'param.HasField("upsample_h"):', "False:")),
    ("Upsample", Altered("upsample", "if both else", "if False else")),
    ("Pooling", Altered("pooling", "1 + min(1, masks)", "1")),
    ("Pooling", Altered("_is_ceil", "param.ceil_mode and ", "")),
    ("Convolution", Altered("_dilation", '"hole" if holes else ', "")),
    ("Convolution", Altered("_dilation", "holes and param.dilation", "False")),
    ("BN", Altered("is_segnets", '"bn_mode"', '"scale_filler"')),
    ("BN", Altered("is_segnets", '"shift_filler"', '"scale_filler"')),
    ("PReLU", Altered("prelu", "() if shared else", "() if not shared else")),
    ("PReLU", Altered("prelu", "shape[1]", "shape[-1]")),
    ("Dropout", Altered("dropout", "0 < ratio < 1", "0 <= ratio < 1")),
    ("Dropout", Altered("dropout", "0 < ratio < 1", "0 < ratio <= 1")),
    ("Bias", Altered("_along", "0 if given == () else ", "")),
    ("Bias", Altered("_along", "if given is None else given", "")),
    ("Bias", Altered("bias", "if is_learned else {}", "")),
    ("Reshape", Altered("reshape", "shape[first + place]", "shape[place]")),
    ("Reshape", Altered("reshape", "*shape[last:]", "")),
    ("Reshape", Altered("reshape", "+ 1", "")),
    ("Reshape", Altered("_inferred", "count // known", "count")),
    ("Permute", Altered("permute", "if axis not in order", "")),
    ("Tile", Altered("tile", "shape[axis] * tiles", "tiles")),
    ("Split", Altered("split", "* len(node.outputs)", "")),
    ("ArgMax", Altered("argmax", "2 if param.out_max_val else 1", "1")),
    ("ArgMax", Altered("argmax", "max(0, len(shape) - 3)", "0")),
    ("Crop", Altered("crop", "offset + like[place] >", "like[place] >")),
    ("Crop", Altered("crop", "offsets * count if", "offsets if")),
    ("Axpy", Altered("axpy", "or x != y", "")),
    (
        "PriorBox",
        Altered("prior_box", "(ratio, 1 / ratio) if param.flip else (ratio,)", "(ratio,)"),
    ),
    ("PriorBox", Altered("prior_box", "+ len(param.max_size)", "")),
    ("PriorBox", Altered("prior_box", "height * width", "height * height")),
    ("Embed", Altered("embed", "*bottoms[0], outputs", "outputs")),
    ("ShuffleChannel", Altered("shuffle_channel", "shape[1] % group", "False")),
    ("Accuracy", Altered("accuracy", "top_k > classes", "top_k > classes + 1")),
    ("Accuracy", Altered("accuracy", "(classes,))", "())")),
    ("Convolution", Altered("_convolved", "channels // given.group", "channels")),
    ("Convolution", Altered("_convolved", "math.prod(map_) *", "")),
    ("Convolution", Altered("_windows", "shape[1] % group or outputs % group", "False")),
    ("Convolution", Altered("_windows", "shape[1] % group or", "")),
    ("Convolution", Altered("_dilation", "1, 1)", "1, 0)")),
    ("Pooling", Altered("pooling", "clip=any(pad)", "clip=None")),
    ("Pooling", Altered("pooling", "ceil=ceil", "ceil=True")),
    ("Pooling", Altered("pooling", "ceil=ceil", "ceil=False")),
    ("Pooling", Altered("pooling", "pad[0] >= kernel[0]", "pad[0] > kernel[0]")),
    ("Interp", Altered("_interp_size", "(s - 1) // shrink + 1", "s // shrink")),
    ("Interp", Altered("_interp_size", "s + (s - 1) * (zoom - 1)", "s * zoom")),
    ("Interp", Altered("_interp_size", "bottoms[1][2:]", "bottoms[0][2:]")),
    ("Interp", Altered("interp", "s + param.pad_beg + param.pad_end", "s")),
    ("BN", Altered("bn", "shape[1]", "shape[-1]")),
    ("Eltwise", Altered("eltwise", "if len(set(bottoms)) > 1", "if False")),
    (
        "Softmax",
        Altered("softmax", "canonical_axis(node.message.softmax_param.axis, bottoms[0])", "1"),
    ),
    ("BatchNorm", Altered("batch_norm", "shape[1]", "shape[-1]")),
    ("BatchNorm", Altered("batch_norm", "len(shape) > 1", "len(shape) > 2")),
    ("BatchNorm", Altered("batch_norm", "len(shape) > 1", "True")),
    ("BatchNorm", Altered("batch_norm", "else 1", "else shape[0]")),
    ("BatchNorm", Altered("batch_norm", "if not shape", "if False")),
    ("BatchNorm", Altered("batch_norm", '"factor": (1,)', '"factor": channels')),
    ("BatchNorm", Altered("batch_norm", "statistics=", "parameters=")),
    ("BatchNorm", Altered("batch_norm", "(param.eps)", "(1e-5)")),
    ("BatchNorm", Altered("batch_norm", "one_bottom(node, bottoms)", "pass")),
    ("Scale", Altered("_along", "bottoms, 1, 2)", "bottoms, 1, 3)")),
    ("Scale", Altered("_along", "bottoms, 1, 2)", "bottoms, 0, 2)")),
    ("Scale", Altered("_along", "len(bottoms) == 2", "False")),
    ("Scale", Altered("_along", "0 if given == () else ", "")),
    ("Scale", Altered("_along", "given == ()", "given")),
    ("Scale", Altered("_along", "shape[first:]", "shape")),
    ("Scale", Altered("_along", "shape[first:]", "shape[first + 1 :]")),
    ("Scale", Altered("_along", "rest[: len(own)] != own", "False")),
    ("Scale", Altered("_along", "rest[: len(own)] != own", "rest != own")),
    ("Scale", Altered("scale", "if is_learned else {}", "")),
    ("Scale", Altered("scale", '{"bias": factor}', '{"bias": bottoms[0]}')),
    ("Scale", Altered("scale", "if param.bias_term", "if is_learned")),
    ("Scale", Altered("_learned_factor", "-1 <= num_axes", "0 <= num_axes")),
    ("Scale", Altered("_learned_factor", "-1 <= num_axes", "-2 <= num_axes")),
    ("Scale", Altered("_learned_factor", "<= len(shape)", "< len(shape)")),
    ("Scale", Altered("_learned_factor", "<= len(shape)", "<= len(shape) + 1")),
    ("Scale", Altered("_learned_factor", "shape if num_axes == -1 else ", "")),
    ("Scale", Altered("_learned_factor", "shape[:num_axes]", "shape[-num_axes:]")),
    ("MVN", Altered("mvn", "one_map(node, bottoms)", "bottoms[0]")),
    ("MVN", Altered("mvn", "param.normalize_variance", "True")),
    ("MVN", Altered("mvn", "param.across_channels", "not param.normalize_variance")),
    ("MVN", Altered("mvn", "param.across_channels", "False")),
    ("MVN", Altered("mvn", "short_float(param.eps)", "1e-9")),
    ("Normalize", Altered("normalize", "one_map(node, bottoms)", "bottoms[0]")),
    ("Normalize", Altered("normalize", "shape[1]", "shape[0]")),
    ("Normalize", Altered("normalize", "() if param", "(1,) if param")),
    ("Normalize", Altered("normalize", "if param.channel_shared", "if param.across_spatial")),
    ("Normalize", Altered("normalize", "lr_mult == 0", "lr_mult < 1")),
    ("Normalize", Altered("normalize", "len(node.message.param) > 0 and", "True or")),
    ("Normalize", Altered("normalize", "{} if fixed else blob", "blob")),
    ("Normalize", Altered("normalize", "blob if fixed else {}", "{}")),
    ("Normalize", Altered("normalize", "short_float(param.eps)", "1e-10")),
    ("Power", Altered("power", "one_bottom(node, bottoms)", "pass")),
    ("Power", Altered("power", '("power", "scale", "shift")', '("power", "shift", "shift")')),
    ("Power", Altered("power", "short_float(", "float(")),
    ("InnerProduct", Altered("inner_product", "shape[axis:]", "shape[-1:]")),
    ("InnerProduct", Altered("inner_product", "shape[1:axis]", "shape[:axis]")),
    ("Flatten", Altered("flatten", "one_bottom(node, bottoms)", "pass")),
    ("Flatten", Altered("flatten", "shape[first : last + 1]", "shape[first:last]")),
    ("Flatten", Altered("flatten", "shape[first : last + 1]", "shape[first:]")),
    ("Flatten", Altered("flatten", "shape[last + 1 :]", "shape[last:]")),
    ("Flatten", Altered("flatten", "*shape[:first], ", "")),
    ("Flatten", Altered("flatten", "math.prod", "sum")),
    ("Flatten", Altered("flatten", "last < first", "last <= first")),
    ("Flatten", Altered("flatten", "last < first", "last < first - 1")),
    ("Flatten", Altered("flatten", "canonical_axis(param.end_axis, shape)", "param.end_axis")),
    ("Slice", Altered("slice_", "one_bottom(node, bottoms)", "bottoms = bottoms or [(4, 4)]")),
    ("Slice", Altered("slice_", "*shape[axis + 1 :]", "*shape[axis:]")),
    ("Slice", Altered("slice_", "*shape[:axis], ", "")),
    ("Slice", Altered("slice_", "shape[axis], len", "shape[1], len")),
    ("Slice", Altered("slice_", '"slice_dim"', '"axis"')),
    ("Slice", Altered("_pieces", 'at_least(count, 1, "a number of tops")', "pass")),
    ("Slice", Altered("_pieces", "length % count", "length < count")),
    ("Slice", Altered("_pieces", "[length // count] * count", "[length] * count")),
    ("Slice", Altered("_pieces", "len(points) != count - 1", "len(points) < count - 1")),
    ("Slice", Altered("_pieces", "len(points) != count - 1", "len(points) > count - 1")),
    ("Slice", Altered("_pieces", "end - start for", "end for")),
    ("Slice", Altered("_pieces", "[0, *points, length]", "[0, *sorted(points), length]")),
    ("Slice", Altered("_pieces", "min(lengths) < 1", "min(lengths) < 0")),
    ("Slice", Altered("_pieces", "min(lengths) < 1", "min(lengths) < 2")),
    ("Slice", Altered("_pieces", "min(lengths) < 1", "lengths[-1] < 1")),
    ("Concat", Altered("concat", "bottoms, 1, None", "bottoms, 2, None")),
    ("Concat", Altered("concat", "bottoms, 1, None", "bottoms, 1, 2")),
    ("Concat", Altered("concat", "(len(shape), *shape[:axis]", "(0, *shape[:axis]")),
    ("Concat", Altered("concat", "len(shape), *shape[:axis]", "len(shape)")),
    ("Concat", Altered("concat", ", *shape[axis + 1 :]) for", ") for")),
    ("Concat", Altered("concat", "sum(shape[axis] for", "max(shape[axis] for")),
    ("Concat", Altered("concat", TOPS_OF_CONCAT, "*bottoms[0][axis:]")),
    ("Concat", Altered("concat", '"concat_dim"', '"axis"')),
    ("Concat", Altered("_axis_of", "param.HasField(old) and", "")),
    ("Concat", Altered("_axis_of", 'and param.HasField("axis")', "")),
    ("Concat", Altered("_axis_of", 'old if param.HasField(old) else "axis"', '"axis"')),
    ("Concat", Altered("_axis_of", 'old if param.HasField(old) else "axis"', "old")),
    ("Reduction", Altered("reduction", "one_bottom(node, bottoms)", "pass")),
    ("Reduction", Altered("reduction", "shape[:axis]", "shape[axis:]")),
    ("Reduction", Altered("reduction", "shape[:axis]", "shape[: axis + 1]")),
    ("Reduction", Altered("reduction", "canonical_axis(param.axis, shape)", "param.axis")),
    ("Reduction", Altered("reduction", "short_float(param.coeff)", "1.0")),
    ("Reduction", Altered("reduction", "Name(param.operation)", "Name(1)")),
    ("Parameter", Altered("parameter", "bottoms, 0, 0", "bottoms, 0, 1")),
    ("Parameter", Altered("parameter", "not shape or", "")),
    ("Parameter", Altered("parameter", "min(shape) < 1", "min(shape) < 0")),
    ("Parameter", Altered("parameter", "min(shape) < 1", "max(shape) < 1")),
    ("Parameter", Altered("parameter", ', parameters={"parameter": shape}', "")),
]


@pytest.mark.parametrize("type_", RULES)
def test_each_rule_as_it_is_holds_and_is_altered(type_: str) -> None:
    assert not found_by_tables(type_)
    if type_ not in {"ReLU", "Sigmoid"}:  # which have nothing to alter
        assert type_ in {altered for altered, _ in ALTERED_RULES}


@pytest.mark.parametrize(("type_", "altered"), ALTERED_RULES, ids=str)
def test_an_altered_rule_is_found_by_its_tables(
    type_: str, altered: Altered, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = altered.compiled()
    monkeypatch.setattr(altered.module, altered.function, function)
    if RULES[type_].__name__ == altered.function:
        monkeypatch.setitem(RULES, type_, function)
    assert found_by_tables(type_)
