"""A framework's own form of an operation is held against the plain one, here on torch.

On TensorFlow and JAX the layer tests hold them against plain loops.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import subprocess
import sys
from typing import Any

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import torch

from ranparity.kernels import kernel, plain
from ranparity.kernels import torch as own
from tests.models.cases import FLOAT64
from tests.models.test_layers import error

FORMATS = st.sampled_from(["channels_last", "channels_first"])
OPERATIONS = (
    "convolution",
    "deconvolution",
    "max_pool",
    "batch_normalization",
    "affine_normalization",
    "interpolation",
    "moving_average",
    "relu",
)


def tensor(*shape: int, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).standard_normal(shape)
    return keras.ops.convert_to_tensor(values, "float64")


def array(x: Any) -> np.ndarray[Any, Any]:
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_running_backends_form_is_taken(name: str) -> None:
    assert kernel(name) is getattr(own, name)
    names = list(inspect.signature(getattr(own, name)).parameters)
    assert names == list(inspect.signature(getattr(plain, name)).parameters)


def test_an_operation_that_the_backend_has_no_form_of_is_plain() -> None:
    assert not hasattr(own, "sum_pool")
    assert kernel("sum_pool") is plain.sum_pool


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_relu_writes_over_what_is_spare_and_nothing_else(
    data_format: str, *, training: bool
) -> None:
    shape = (2, 4, 4, 3) if data_format == "channels_last" else (2, 3, 4, 4)
    x, weight = tensor(*shape).requires_grad_(), tensor(1, 1, 3, 3, seed=1)
    about = {"stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "group": 1}

    def run(*, spare: bool) -> tuple[Any, Any, bool]:
        with torch.set_grad_enabled(training):
            y = own.convolution(x, weight, data_format=data_format, **about)
            with own.spare(y) if spare else contextlib.nullcontext():
                z = own.relu(y)
        slope = torch.autograd.grad((z * z).sum(), x)[0] if training else None
        return z.detach(), slope, z.data_ptr() == y.data_ptr()

    (kept, slope, apart), (over, same, written) = run(spare=False), run(spare=True)
    assert (apart, written) == (False, True)
    assert torch.equal(kept, over)
    assert slope is same is None or torch.equal(slope, same)
    assert float(kept.min()) == 0.0 < float(kept.max())


@hypothesis.given(st.tuples(*[st.integers(1, 5)] * 4), FORMATS)
@hypothesis.settings(max_examples=30)
def test_interpolation_and_its_gradient(sides: tuple[int, int, int, int], data_format: str) -> None:
    rows, columns, height, width = sides
    last = data_format == "channels_last"
    x = tensor(2, height, width, 3) if last else tensor(2, 3, height, width)
    above, beside = tensor(rows, height, seed=1), tensor(columns, width, seed=2)
    for given in (x, x.transpose(1, 2).contiguous().transpose(1, 2)):  # however it lies in memory
        given.requires_grad_()
        found, wanted = (
            form.interpolation(given, above, beside, data_format=data_format)
            for form in (own, plain)
        )
        assert error(array(found.detach()), array(wanted.detach())) <= FLOAT64
        slopes = [torch.autograd.grad((y * y).sum(), given)[0] for y in (found, wanted)]
        assert error(array(slopes[0]), array(slopes[1])) <= FLOAT64


def test_a_moving_average_is_of_the_old_ones_type() -> None:
    old, new = tensor(5), tensor(5, seed=1)
    wanted = 0.9 * array(old) + (1 - 0.9) * array(new)
    assert error(array(own.moving_average(old, new, 0.9)), wanted) <= FLOAT64
    assert own.moving_average(old.float(), new, 0.9).dtype == torch.float32
    assert plain.moving_average(old.float(), new, 0.9).dtype == torch.float32


@hypothesis.given(
    st.integers(5, 9), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), FORMATS
)
@hypothesis.settings(max_examples=30)
def test_convolution(size: int, kernel_: int, stride: int, pad: int, data_format: str) -> None:
    x = tensor(2, size, size, 4) if data_format == "channels_last" else tensor(2, 4, size, size)
    weight = tensor(kernel_, kernel_, 2, 6, seed=1)
    arguments = {
        "stride": (stride, 1),
        "pad": (pad, 0),
        "dilation": (1, 1) if stride > 1 else (2, 1),
        "group": 2,
        "data_format": data_format,
    }
    wanted = array(plain.convolution(x, weight, **arguments))
    assert error(array(own.convolution(x, weight, **arguments)), wanted) <= FLOAT64


@hypothesis.given(
    st.integers(2, 6),
    st.integers(1, 4),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(0, 2),
    st.integers(1, 2),
    FORMATS,
)
@hypothesis.settings(max_examples=60)
def test_deconvolution(
    size: int, kernel_: int, stride: tuple[int, int], pad: int, group: int, data_format: str
) -> None:
    last = data_format == "channels_last"
    x = tensor(2, size, size, 4) if last else tensor(2, 4, size, size)
    hypothesis.assume(stride[0] * (size - 1) + 2 * (kernel_ - 1) + 1 > 2 * pad)
    hypothesis.assume(stride[1] * (size - 1) + kernel_ > 2 * pad)
    arguments = {
        "stride": stride,
        "pad": (pad, pad),
        "dilation": (2, 1),
        "group": group,
        "data_format": data_format,
    }
    weight = tensor(4, 3, kernel_, kernel_, seed=1)
    wanted = array(plain.deconvolution(x, weight, **arguments))
    assert error(array(own.deconvolution(x, weight, **arguments)), wanted) <= FLOAT64


@hypothesis.given(
    st.integers(4, 9),
    st.integers(1, 4),
    st.integers(1, 3),
    st.tuples(st.integers(0, 2), st.integers(0, 3)),
    FORMATS,
)
@hypothesis.settings(max_examples=60)
def test_max_pool_with_any_pads(
    size: int, window: int, stride: int, pads: tuple[int, int], data_format: str
) -> None:
    x = tensor(2, size, size, 3) if data_format == "channels_last" else tensor(2, 3, size, size)
    arguments = {
        "kernel": (window, 2),
        "stride": (stride, 2),
        "pads": (pads, (0, 1)),
        "data_format": data_format,
    }
    wanted = array(plain.max_pool(x, **arguments))
    np.testing.assert_array_equal(array(own.max_pool(x, **arguments)), wanted)


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("batch", [1, 3])
def test_batch_normalization(axis: int, batch: int) -> None:
    """With the biased variance, also of a single value, and of values far from zero."""
    x = tensor(batch, 3, 1 if batch == 1 else 2, 3) + 100
    gamma, beta = tensor(3, seed=1), tensor(3, seed=2)
    found = own.batch_normalization(x, gamma, beta, epsilon=1e-5, axis=axis)
    wanted = plain.batch_normalization(x, gamma, beta, epsilon=1e-5, axis=axis)
    assert error(array(found[0]), array(wanted[0])) <= 1e3 * FLOAT64  # 100 loses three digits
    for one, other in zip(found[1:], wanted[1:], strict=True):
        assert error(array(one), array(other)) <= FLOAT64


def test_the_biased_variance_is_not_the_unbiased() -> None:
    x = tensor(4, 2, 2, 3)
    _, _, variance = own.batch_normalization(x, tensor(3), tensor(3), epsilon=1e-5, axis=-1)
    values = array(x)
    np.testing.assert_allclose(array(variance), values.var(axis=(0, 1, 2)), rtol=1e-12)
    assert abs(array(variance) / values.var(axis=(0, 1, 2), ddof=1) - 1).max() > 0.05


def test_a_small_variance_of_a_large_mean_is_kept_in_float32() -> None:
    """E[x^2] - E[x]^2, which Keras's torch backend computes, loses it."""
    values = 100 + 0.01 * np.random.default_rng(0).standard_normal((64, 8, 8, 1))
    x = keras.ops.convert_to_tensor(values, "float32")
    one = keras.ops.ones((1,), "float32")
    true = array(x).astype("float64").var()
    for form in (own, plain):
        _, _, variance = form.batch_normalization(x, one, one, epsilon=1e-5, axis=-1)
        assert array(variance)[0] == pytest.approx(true, rel=1e-3)
    squares = array(keras.ops.mean(keras.ops.square(x)) - keras.ops.square(keras.ops.mean(x)))
    assert squares != pytest.approx(true, rel=0.1)


def test_inference_uses_the_given_statistics() -> None:
    x, mean, gamma, beta = tensor(2, 4, 4, 3), tensor(3), tensor(3, seed=1), tensor(3, seed=2)
    variance = keras.ops.square(tensor(3, seed=3)) + 0.1
    for axis, given in ((-1, x), (1, keras.ops.transpose(x, (0, 3, 1, 2)))):
        found = own.affine_normalization(
            given, mean, variance, gamma, beta, epsilon=1e-5, axis=axis
        )
        wanted = plain.affine_normalization(
            given, mean, variance, gamma, beta, epsilon=1e-5, axis=axis
        )
        assert error(array(found), array(wanted)) <= FLOAT64


STRIDED_ON_TENSORFLOW = """
import tensorflow as tf
from ranparity.kernels import tensorflow as kernels
tf.config.threading.set_intra_op_parallelism_threads(2)

@tf.function
def gradients(x, w):
    with tf.GradientTape() as tape:
        tape.watch((x, w))
        y = kernels.convolution(
            x, w, stride=(2, 2), pad=(0, 0), dilation=(1, 1), group=1, data_format="channels_last"
        )
        loss = tf.reduce_sum(y * y)
    return tape.gradient(loss, (x, w))

for _ in range(60):
    gradients(tf.random.normal((7, 32, 32, 4)), tf.random.normal((1, 1, 4, 4)))
"""
STRIDED = """
import torch
from ranparity.kernels import torch as kernels
torch.set_num_threads(2)
for _ in range(60):
    x = torch.randn(7, 32, 32, 4, requires_grad=True)
    w = torch.randn(1, 1, 4, 4, requires_grad=True)
    y = kernels.convolution(
        x, w, stride=(2, 2), pad=(0, 0), dilation=(1, 1), group=1, data_format="channels_last"
    )
    torch.autograd.grad((y * y).sum(), (x, w))
"""


def printed(backend: str, program: str) -> list[str]:
    """What a program prints, a word each, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.split()


@pytest.mark.parametrize(
    ("backend", "program"), [("torch", STRIDED), ("tensorflow", STRIDED_ON_TENSORFLOW)]
)
def test_a_strided_1x1_convolution_of_few_channels_does_not_kill_the_process(
    backend: str, program: str
) -> None:
    """Of PyTorch 2.13 and TensorFlow 2.21 their own do, with an odd batch on two threads."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-500:]}"


FUSED = """
import numpy as np, tensorflow as tf
from ranparity.kernels import plain
from ranparity.kernels import tensorflow as own
random = np.random.default_rng(0)
x = 3e-3 * random.standard_normal((4, 5, 6, 8))  # a variance of the size of epsilon
gamma, beta, weight = (random.standard_normal(shape) for shape in (8, 8, x.shape))
mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
for moving in (False, True):
    found = {}
    for form, dtype in ((own, "float32"), (plain, "float64")):
        given = [tf.constant(each.astype("float32"), dtype) for each in (x, gamma, beta)]
        with tf.GradientTape() as tape:
            tape.watch(given)
            if moving:
                kept = [tf.constant(each, dtype) for each in (mean, variance)]
                y = form.affine_normalization(
                    given[0], *kept, *given[1:], epsilon=1e-5, axis=-1
                )
                made = [y]
            else:
                made = list(form.batch_normalization(*given, epsilon=1e-5, axis=-1))
            loss = tf.reduce_sum(made[0] * tf.constant(weight, dtype))
        found[dtype] = [each.numpy() for each in (*made, *tape.gradient(loss, given))]
    for one, other in zip(found["float32"], found["float64"], strict=True):
        print(np.abs(one - other).max() / np.abs(other).max())
"""


def test_tensorflows_fused_form_has_the_exact_epsilon_the_biased_variance_and_gradients() -> None:
    """With 1.001e-5 in place of epsilon it is a ten-thousandth off here."""
    errors = [float(word) for word in printed("tensorflow", FUSED)]
    assert len(errors) == 6 + 4
    assert max(errors) < 3e-5, errors


CONVOLUTIONS = """
import numpy as np
random = np.random.default_rng(0)
CASES = [  # height and width, kernel, stride, pad, dilation
    ((9, 8), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((9, 8), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((8, 9), (3, 3), (2, 1), (1, 0), (1, 1)),
    ((11, 12), (7, 5), (2, 2), (3, 2), (1, 1)),
    ((9, 9), (3, 3), (1, 1), (2, 2), (2, 2)),
    ((10, 9), (2, 3), (1, 2), (0, 1), (1, 2)),
    ((10, 10), (4, 4), (3, 3), (0, 0), (1, 1)),
    ((5, 5), (3, 3), (1, 1), (4, 4), (1, 1)),
]
def drawn(case):
    x, weight = random.standard_normal((2, *case[0], 3)), random.standard_normal((*case[1], 3, 4))
    return x, weight, dict(zip(("stride", "pad", "dilation"), case[2:]), group=1)
def told(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        print(np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max())
"""

IN_PARTS = (
    CONVOLUTIONS
    + """
import jax
jax.config.update("jax_enable_x64", True)
from ranparity.kernels import jax as own
own._PIXELS, own._PART = 0, 1000
for case in CASES:
    x, weight, how = drawn(case)
    wanted, back = jax.vjp(lambda *given: own._convolved(*given, *case[2:]), x, weight)
    found, in_parts = jax.vjp(
        lambda *given: own.convolution(*given, data_format="channels_last", **how), x, weight
    )
    gradient = random.standard_normal(wanted.shape)
    told((found, *in_parts(gradient)), (wanted, *back(gradient)))
    assert str(jax.make_jaxpr(in_parts)(gradient)).count("conv_general_dilated") > 2, case
"""
)


def test_jax_sums_a_weights_gradient_over_parts_of_maps() -> None:
    errors = [float(word) for word in printed("jax", IN_PARTS)]
    assert len(errors) == 8 * 3
    assert max(errors) <= FLOAT64, errors


PADDED = (
    CONVOLUTIONS
    + """
import tensorflow as tf
from ranparity.kernels import plain
from ranparity.kernels import tensorflow as own
for case in CASES:
    x, weight, how = drawn(case)
    made, ops = [], []
    for form in (own, plain):
        @tf.function
        def step(*given):
            with tf.GradientTape() as tape:
                tape.watch(given)
                y = form.convolution(*given, data_format="channels_last", **how)
                loss = tf.reduce_sum(tf.sin(y))
            return y, *tape.gradient(loss, given)
        given = tf.constant(x), tf.constant(weight)
        made.append([each.numpy() for each in step(*given)])
        ops.append(step.get_concrete_function(*given).graph.get_operations())
    told(*made)
    if max(how["dilation"]) == 1:
        print(*{op.get_attr("padding").decode() for op in ops[0] if op.type.startswith("Conv2D")})
"""
)


def test_tensorflow_pads_as_it_has_fast_gradients_for() -> None:
    """oneDNN has the gradients of `SAME` and `VALID`, and not of zeros told one by one."""
    words = printed("tensorflow", PADDED)
    errors, paddings = [w for w in words if w[0].isdigit()], [w for w in words if w.isalpha()]
    assert len(errors) == 8 * 3
    assert max(map(float, errors)) <= FLOAT64, errors
    assert paddings == ["SAME", "VALID", "VALID", "VALID", "VALID", "VALID"]
