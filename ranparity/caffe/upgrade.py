"""Old forms of a net as the present one: V0 and V1 layers become `layer` messages.

Source: BVLC/caffe, src/caffe/util/upgrade_proto.cpp: UpgradeV0PaddingLayers,
UpgradeV0LayerParameter, UpgradeV1LayerParameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ranparity.caffe import caffe_pb2
from ranparity.errors import InputError

LayerParameter = caffe_pb2.LayerParameter
V1 = caffe_pb2.V1LayerParameter
V0 = caffe_pb2.V0LayerParameter

TYPES = {
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BN": "BN",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "CROP": "Crop",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "PRELU": "PReLU",
    "RELU": "ReLU",
    "RESHAPE": "Reshape",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "UPSAMPLE": "Upsample",
    "WINDOW_DATA": "WindowData",
}
"""Of a V1 type, its name now."""
V0_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}
PADDING = "padding"  # a V0 type that went: its pad is the next convolution's

# Of a V0 field, the messages that have it now and what it is called there, by V0 type.
_KERNEL = {"conv": "convolution_param.{}", "pool": "pooling_param.{}"}
_PRODUCT = {"conv": "convolution_param.{}", "innerproduct": "inner_product_param.{}"}
_NORMALISED = {"lrn": "lrn_param.{}"}
V0_FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "num_output": ("num_output", _PRODUCT),
    "biasterm": ("bias_term", _PRODUCT),
    "weight_filler": ("weight_filler", _PRODUCT),
    "bias_filler": ("bias_filler", _PRODUCT),
    "pad": ("pad", _KERNEL),
    "kernelsize": ("kernel_size", _KERNEL),
    "stride": ("stride", _KERNEL),
    "group": ("group", {"conv": "convolution_param.{}"}),
    "pool": ("pool", {"pool": "pooling_param.{}"}),
    "dropout_ratio": ("dropout_ratio", {"dropout": "dropout_param.{}"}),
    "local_size": ("local_size", _NORMALISED),
    "alpha": ("alpha", _NORMALISED),
    "beta": ("beta", _NORMALISED),
    "k": ("k", _NORMALISED),
    "concat_dim": ("concat_dim", {"concat": "concat_param.{}"}),
}
COMMON = ("name", "type", "blobs", "blobs_lr", "weight_decay")
DATA = ("data", "hdf5_data", "images", "window_data", "infogain_loss", "hdf5_output")


def upgraded(message: caffe_pb2.NetParameter, source: str) -> list[LayerParameter]:
    """Give the layers of a net in the present form.

    Args:
        message: As it was read, with `layers` or `layer`.
        source: The file's name, for messages.

    Raises:
        InputError: Both forms in one file, or an old layer that has no present form.
    """
    if not message.layers:
        return list(message.layer)
    if message.layer:
        raise InputError(f"{source}: expected layer or layers (the form before it), found both")
    old = list(message.layers)
    if any(each.HasField("layer") for each in old):
        if other := next((each for each in old if not each.HasField("layer")), None):
            raise InputError(
                f"{_where(other, source)}: expected a layer within it, as in the others (the first "
                "form), found none"
            )
        old = [_from_v0(each, source) for each in _without_padding(old, source)]
    return [_from_v1(each, source) for each in old]


def _without_padding(old: Sequence[V1], source: str) -> Iterator[V1]:
    """Yield V0 layers without those that pad, whose pad the layers that read them take."""
    pads: dict[str, tuple[str, int]] = {}  # of a padded blob, what it was padded from, and by what
    for each in old:
        if each.layer.type == PADDING:
            if len(each.bottom) != 1 or len(each.top) != 1:
                raise InputError(f"{_where(each.layer, source)}: expected one bottom and one top")
            pads[each.top[0]] = (each.bottom[0], each.layer.pad)
            continue
        taken = V1()
        taken.CopyFrom(each)
        for place, blob in enumerate(each.bottom):
            if blob not in pads:
                continue
            if each.layer.type not in ("conv", "pool"):
                raise InputError(
                    f"{_where(each.layer, source)}: reads padding, which only conv and pool may"
                )
            taken.bottom[place], taken.layer.pad = pads[blob]
        for blob in each.top:
            pads.pop(blob, None)
        yield taken


def _from_v0(old: V1, source: str) -> V1:
    """Give a V0 layer as a V1 layer."""
    inner, where = old.layer, _where(old.layer, source)
    if inner.type not in V0_TYPES:
        known = ", ".join(sorted(V0_TYPES))
        raise InputError(f"{where}: unknown layer type; expected one of {known}")
    new = V1(name=inner.name, type=V0_TYPES[inner.type])
    for field in ("bottom", "top"):
        getattr(new, field).extend(getattr(old, field))
    for field in ("blobs", "blobs_lr", "weight_decay"):
        getattr(new, field).extend(getattr(inner, field))
    if inner.type in DATA:
        return new  # what it reads from is of no concern: it is left out or refused
    for descriptor, value in inner.ListFields():
        if descriptor.name in COMMON:
            continue
        name, places = V0_FIELDS.get(descriptor.name, ("", {}))
        if inner.type not in places:
            raise InputError(f"{where}: field {descriptor.name!r} does not belong to this type")
        _set(new, places[inner.type].format(name), descriptor, value)
    return new


def _set(message: Any, path: str, descriptor: Any, value: Any) -> None:
    """Set a field within a field: a number, a name, or a message."""
    outer, _, name = path.partition(".")
    inside = getattr(message, outer)
    if descriptor.enum_type:
        value = descriptor.enum_type.values_by_number[value].name
        value = inside.DESCRIPTOR.fields_by_name[name].enum_type.values_by_name[value].number
    field = inside.DESCRIPTOR.fields_by_name[name]
    if field.message_type:
        getattr(inside, name).CopyFrom(value)
    elif field.is_repeated:
        getattr(inside, name).append(value)
    else:
        setattr(inside, name, value)


def _from_v1(old: V1, source: str) -> LayerParameter:
    """Give a V1 layer as a present one."""
    type_ = V1.LayerType.Name(old.type)
    if type_ not in TYPES:
        raise InputError(f"{_where(old, source)}: expected a type, found none")
    new = LayerParameter(name=old.name, type=TYPES[type_])
    for field in ("bottom", "top", "include", "exclude", "blobs", "loss_weight"):
        getattr(new, field).extend(getattr(old, field))
    for descriptor, value in old.ListFields():
        if descriptor.name.endswith("_param"):
            getattr(new, descriptor.name).CopyFrom(value)
    _set_params(old, new)
    return new


def _set_params(old: V1, new: LayerParameter) -> None:
    """Put names, share modes, learning rates and decays together: one `param` a blob."""
    fields: dict[str, Sequence[Any]] = {
        "name": old.param,
        "share_mode": old.blob_share_mode,
        "lr_mult": old.blobs_lr,
        "decay_mult": old.weight_decay,
    }
    for place in range(max(map(len, fields.values()))):
        spec = new.param.add()
        for name, values in fields.items():
            if place < len(values):
                setattr(spec, name, values[place])


def _where(layer: Any, source: str) -> str:
    """Say which layer is meant, of either old form."""
    type_ = layer.type if isinstance(layer, V0) else V1.LayerType.Name(layer.type)
    return f'{source}: layer "{layer.name}" ({type_})'
