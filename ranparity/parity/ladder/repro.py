"""A script that replays the layer of the first tensor that differs, without ranparity.

It is what one sends to a framework's maintainers: at most 40 lines of Keras on the backend, and a
small .npz beside it with what the layer read, its weights, what float64 gives, and what was found.
Maps are NHWC, kernels HWIO. Where the script agrees with float64 and the net did not, the fault is
not in the framework's operation but in what the net calls.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.base import LAYERS, Call
from ranparity.caffe.arbiter.explained import Question
from ranparity.caffe.arbiter.maps import resizing
from ranparity.caffe.arbiter.run import Step
from ranparity.caffe.rules.base import sides
from ranparity.errors import InputError
from ranparity.files import write_bytes, write_text
from ranparity.parity.ladder.judge import Result
from ranparity.parity.ladder.references import CaffeReferences

Array = NDArray[Any]
Body = tuple[list[str], dict[str, Array]]  # lines of code that end in `return`, and constants
MOST_LINES = 40
BODIES: dict[str, Callable[[Step, Mapping[str, Array], bool], Body]] = {}


def body(type_: str) -> Callable[[Callable[..., Body]], Callable[..., Body]]:
    """Registers what writes a layer type's computation."""

    def register(function: Callable[..., Body]) -> Callable[..., Body]:
        BODIES[type_] = function
        return function

    return register


def _pair(step: Step, name: str) -> tuple[int, int]:
    height, width = sides(step.facts.attributes[name])
    return height, width


@body("Convolution")
def _convolution(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del tensors, training
    (top, left), bias = _pair(step, "pad"), step.facts.attributes["bias_term"]
    pads = f"((0, 0), ({top}, {top}), ({left}, {left}), (0, 0))"
    return [
        f"y = ops.conv(ops.pad(x[0], {pads}), w['weight'], strides={_pair(step, 'stride')},",
        f"             padding='valid', dilation_rate={_pair(step, 'dilation')},",
        "             data_format='channels_last')",
        "return y + w['bias']" if bias else "return y",
    ], {}


@body("BN")
def _bn(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    eps = float(step.facts.attributes["eps"])
    axes = tuple(range(tensors["input0"].ndim - 1))
    own = [
        f"mean = ops.sum(x[0], axis={axes}, keepdims=True) / (x[0].size // x[0].shape[-1])",
        f"variance = ops.sum((x[0] - mean) ** 2, axis={axes}, keepdims=True)",
        "variance = variance / (x[0].size // x[0].shape[-1])",
    ]
    kept = ["mean, variance = w['mean'], w['variance']"]
    count = int(np.prod(tensors["input0"].shape[:-1]))
    lines = [line.replace("(x[0].size // x[0].shape[-1])", str(count)) for line in own]
    last = f"return (x[0] - mean) * ops.rsqrt(variance + {eps!r}) * w['slope'] + w['bias']"
    return [*(lines if training else kept), last], {}


@body("ReLU")
def _relu(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del tensors, training
    slope = float(step.facts.attributes["negative_slope"])
    below = f" - {slope!r} * ops.relu(-x[0])" if slope else ""
    return [f"return ops.relu(x[0]){below}"], {}


@body("Sigmoid")
def _sigmoid(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del step, tensors, training
    return ["return ops.sigmoid(x[0])"], {}


@body("Softmax")
def _softmax(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del step, tensors, training
    return ["return ops.softmax(x[0], axis=-1)"], {}


@body("Eltwise")
def _eltwise(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del training
    count = sum(name.startswith("input") for name in tensors)
    parts = [f"x[{place}]" for place in range(count)]
    if step.facts.attributes["operation"] == "PROD":
        return [f"return {' * '.join(parts)}"], {}
    factors = str(step.facts.attributes["coeff"]).split()
    return [
        "return "
        + " + ".join(f"{float(f)!r} * {part}" for f, part in zip(factors, parts, strict=True))
    ], {}


@body("Pooling")
def _pooling(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del training
    kernel, stride, pad = (_pair(step, name) for name in ("kernel", "stride", "pad"))
    size, out = tensors["input0"].shape[1:3], step.facts.tops[0][2:]
    ends = [max(0, (out[a] - 1) * stride[a] + kernel[a] - size[a] - pad[a]) for a in (0, 1)]
    pads = f"((0, 0), ({pad[0]}, {ends[0]}), ({pad[1]}, {ends[1]}), (0, 0))"
    window = f"{kernel}, strides={stride}, padding='valid', data_format='channels_last')"
    if step.facts.attributes["pool"] == "MAX":
        return [
            f"padded = ops.pad(x[0], {pads}, constant_values=-3e38)",
            f"return ops.max_pool(padded, {window}",
        ], {}
    lengths = []
    for a in (0, 1):
        start = np.arange(out[a]) * stride[a] - pad[a]
        lengths.append(np.minimum(start + kernel[a], size[a] + pad[a]) - start)
    return [
        f"y = ops.average_pool(ops.pad(x[0], {pads}), {window}",
        f"return y * {kernel[0] * kernel[1]} / w['divisor']",
    ], {"divisor": np.outer(*lengths)[..., None].astype(np.float64)}


@body("Interp")
def _interp(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del training
    sizes, outs = tensors["input0"].shape[1:3], step.facts.tops[0][2:]
    rows, columns = (np.asarray(resizing(*pair)) for pair in zip(sizes, outs, strict=True))
    return [
        "y = ops.einsum('oh,nhwc->nowc', w['rows'], x[0])",
        "return ops.einsum('pw,nowc->nopc', w['columns'], y)",
    ], {"rows": rows, "columns": columns}


@body("InnerProduct")
def _inner_product(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del training
    width = int(np.prod(tensors["input0"].shape[1:]))
    first = "x[0]"
    if tensors["input0"].ndim == 4:
        first = "ops.transpose(x[0], (0, 3, 1, 2))"
    bias = " + w['bias']" if step.facts.attributes["bias_term"] else ""
    return [
        f"flat = ops.reshape({first}, (-1, {width}))",
        f"return ops.einsum('ni,io->no', flat, w['weight']){bias}",
    ], {}


@body("Power")
def _power(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del tensors, training
    return [f"return ops.power(x[0], {float(step.facts.attributes['power'])!r})"], {}


@body("Concat")
def _concat(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del tensors, training
    return [f"return ops.concatenate(x, axis={step.facts.attributes['axis']})"], {}


@body("Reduction")
def _reduction(step: Step, tensors: Mapping[str, Array], training: bool) -> Body:
    del training
    operation, axis = step.facts.attributes["operation"], int(step.facts.attributes["axis"])
    shape = tensors["input0"].shape
    axes = tuple(range(axis, len(shape)))
    inner = "x[0] * x[0]" if operation == "SUMSQ" else "x[0]"
    over = f" / {int(np.prod(shape[axis:]))}" if operation == "MEAN" else ""
    return [f"return ops.sum({inner}, axis={axes}){over}"], {}


GRADIENTS = {
    "torch": [
        "leaf = w[{name!r}].detach().clone().requires_grad_()",
        "(layer(x, {{**w, {name!r}: leaf}}) * dy).sum().backward()",
        "y = leaf.grad",
    ],
    "tensorflow": [
        "import tensorflow as tf",
        "with tf.GradientTape() as tape:",
        "    tape.watch(w[{name!r}])",
        "    total = tf.reduce_sum(layer(x, w) * dy)",
        "y = tape.gradient(total, w[{name!r}])",
    ],
    "jax": [
        "import jax",
        "y = jax.grad(lambda v: (layer(x, {{**w, {name!r}: v}}) * dy).sum())(w[{name!r}])",
    ],
}
"""Of each backend, the gradient of a parameter."""


def write(
    result: Result, given: Mapping[str, Array], references: CaffeReferences, folder: Path
) -> Path:
    """Write the script and its numbers.

    Args:
        result: Of level 1 or 2, with a first difference.
        given: What the backend has of each tensor, by KIND/NAME, in Caffe's layouts.
        references: What the arbiter gives.
        folder: Where they go.

    Returns:
        The script's path.

    Raises:
        InputError: No layer can be replayed: the tensor is no layer's own, or of a type without
            one.
    """
    first = result.first
    kind, _, name = (first.tensor if first else "").partition("/")
    steps = {step.node.name: step for step in references.arbiter.steps}
    if first is None or first.layer not in steps or kind not in ("blob", "gradient"):
        what = first.tensor if first else "nothing"
        raise InputError(f"--repro: expected a blob or a gradient of one layer, found {what}")
    step = steps[first.layer]
    if step.node.type not in BODIES:
        raise InputError(
            f'--repro: layer "{step.node.name}" ({step.node.type}): expected a type that can be '
            f"replayed: {', '.join(BODIES)}"
        )
    tensors = _tensors(step, first.tensor, given, references)
    row = next(row for row in result.rows if row.tensor == first.tensor)
    lines, constants = BODIES[step.node.type](step, tensors, references.question.training)
    tensors |= {f"weight/{key}": value for key, value in constants.items()}
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{result.backend}-level{result.level}-{first.name}")
    script = folder / f"{stem}.py"
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / f"{stem}.npz", tensors)
    part = name.rpartition("/")[2] if kind == "gradient" else ""
    title = f"{first.tensor} ({step.node.type}) on {result.backend}: rho {row.rho or 0:.3g}"
    write_text(script, _script(title, result, stem, lines, part))
    return script


def _tensors(
    step: Step, tensor: str, backend: Mapping[str, Array], references: CaffeReferences
) -> dict[str, Array]:
    """What the layer read, its weights, what was found, and what float64 gives for the same."""
    question = references.question
    given = [
        question.inputs[blob].numpy() if blob in question.inputs else backend[f"blob/{blob}"]
        for blob in step.node.inputs
    ]
    weights = {part: question.weights[full].numpy() for part, full in step.weights.items()}
    kept = {p: question.weights[f"{step.node.name}/{p}"].numpy() for p in step.facts.statistics}
    bottoms = list(run.tensors({str(i): x for i, x in enumerate(given)}).values())
    parameters = run.tensors(weights)
    for each in parameters.values():
        each.requires_grad_()
    call = Call(step.node, step.facts, bottoms, parameters, run.tensors(kept), question.training)
    (top, *_) = LAYERS[step.node.type].operation(call).tops
    found = {f"input{place}": _as_keras(x) for place, x in enumerate(given)}
    both = weights | kept
    found |= {f"weight/{part}": _as_keras(x, kernel=True) for part, x in both.items()}
    if tensor.startswith("blob/"):
        return found | {
            "expected": _as_keras(top.detach().numpy()),
            "found": _as_keras(backend[tensor]),
        }
    slope = _slope(question, step)
    part = tensor.rpartition("/")[2]
    (expected,) = run.gradients((top * run.tensors({"": slope})[""]).sum(), [parameters[part]])
    return found | {
        "dy": _as_keras(slope),
        "expected": _as_keras(expected.numpy(), kernel=True),
        "found": _as_keras(backend[tensor], kernel=True),
    }


def _slope(question: Question, step: Step) -> Array:
    """The arbiter's gradient of the loss by what a layer gives."""
    weights = {name: x.clone().requires_grad_() for name, x in question.weights.items()}
    made = question.arbiter.forward(question.inputs, weights, training=question.training)
    loss = question.arbiter.loss(made, question.targets)
    (slope,) = run.gradients(loss, [made.blobs[step.node.outputs[0]]])
    return np.asarray(slope.numpy())


def _as_keras(x: Array, *, kernel: bool = False) -> Array:
    """A map as NHWC; a kernel as HWIO, or (in, out)."""
    if x.ndim == 4:
        return np.ascontiguousarray(x.transpose((2, 3, 1, 0) if kernel else (0, 2, 3, 1)))
    return np.ascontiguousarray(x.T) if kernel and x.ndim == 2 else np.asarray(x)


def _save(path: Path, tensors: Mapping[str, Array]) -> None:
    buffer = io.BytesIO()
    named: Any = {key.replace("/", "|"): x for key, x in tensors.items()}
    np.savez_compressed(buffer, **named)
    write_bytes(path, buffer.getvalue())


def _script(title: str, result: Result, stem: str, lines: list[str], part: str) -> str:
    last = ["y = layer(x, w)"]
    if part:
        last = [line.format(name=part) for line in GRADIENTS[result.backend]]
    dy = ["dy = ops.convert_to_tensor(given['dy'], dtype)"] if part else []
    x64 = ["import jax", "jax.config.update('jax_enable_x64', True)"]
    text = [
        f'"""{title}."""',
        "import os",
        "from pathlib import Path",
        f"os.environ['KERAS_BACKEND'] = {result.backend!r}",
        *(x64 if (result.backend, result.case.precision) == ("jax", "float64") else ()),
        "import numpy as np",
        "from keras import ops",
        "",
        f"dtype = {result.case.precision!r}",
        f"given = np.load(Path(__file__).with_name({stem + '.npz'!r}))",
        "x = [ops.convert_to_tensor(given[k], dtype) for k in given if k.startswith('input')]",
        "w = {k[7:]: ops.convert_to_tensor(given[k], dtype) for k in given if k[:7] == 'weight|'}",
        *dy,
        "",
        "def layer(x, w):",
        *(f"    {line}" for line in lines),
        "",
        *last,
        "expected, found = given['expected'], given['found']",
        "def apart(z):",
        "    z = np.asarray(ops.convert_to_numpy(z), 'float64')",
        "    return np.linalg.norm(z - expected) / max(np.linalg.norm(expected), 1e-300)",
        "print(f'relative distance from float64: here {apart(y):.3g},', end=' ')",
        "print(f'in the net {apart(found):.3g}')",
        "",
    ]
    assert len(text) <= MOST_LINES  # noqa: S101  (what a body writes is ours)
    return "\n".join(text)
