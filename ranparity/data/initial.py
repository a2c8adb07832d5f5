"""Initial weights, drawn from the tape by a variable's name.

Most start by Caffe's `msra`, some by its `uniform` (BVLC/caffe, include/caffe/filler.hpp). A name
is the Caffe name of the layer, "/", and what the variable is in it, such as
`post_res_4_1/branch1/conv2_3x3/kernel`. The draw depends on the seed and that name alone: not on
the model's order of layers, nor on the other variables, nor on the framework.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ranparity.data.tape import Tape
from ranparity.errors import InputError

_CONSTANTS = {
    "bias": 0.0,
    "gamma": 1.0,
    "beta": 0.0,
    "moving_mean": 0.0,
    "moving_variance": 1.0,
    "scale": 1.0,
    "shift": 0.0,
    "mean": 0.0,
    "variance": 1.0,
    "factor": 1.0,
    "slope": 0.25,
}


def weight(
    tape: Tape, name: str, shape: tuple[int, ...], bound: float | None = None
) -> NDArray[np.float32]:
    """Give the initial value of a variable.

    Kernels are normal with mean 0 and standard deviation sqrt(2 / fan_in) (He et al. 2015;
    `MSRAFiller` with its default `variance_norm: FAN_IN`); so is a `parameter` of shape (K, D),
    such as DRA-Net's attractors, with sqrt(2 / K), which is the fan-out to PyTorch's
    `kaiming_normal_`; everything else is a constant. With a bound, kernel and bias are uniform
    between its negative and itself (`UniformFiller`).

    Args:
        tape: The run's randomness.
        name: Name of the layer, "/", and `kernel`, `parameter`, `bias`, `gamma`, `beta`,
            `moving_mean`, `moving_variance` or `scale`; or as Caffe calls it: `weight`, `slope`,
            `mean`, `variance`, `factor` or `shift`.
        shape: A kernel's is HWIO, with I counted in one group, or (in, out); filled in that order.
            A `weight`'s is Caffe's, OIHW or (out, in).
        bound: The largest size of a weight, of a layer that starts uniformly.

    Raises:
        InputError: The name's last part is none of these.
    """
    part = name.rpartition("/")[2]
    if bound is not None and part in ("kernel", "bias"):
        return uniform(tape, name, shape, bound)
    if part in ("kernel", "parameter"):
        return msra(tape, name, shape)
    if part == "weight":
        return _of_caffes(tape, name, shape)
    if part in _CONSTANTS:
        return np.full(shape, _CONSTANTS[part], dtype=np.float32)
    known = ", ".join(["kernel", "weight", "parameter", *_CONSTANTS])
    raise InputError(f"variable {name}: expected one of {known}, for which there is a rule")


def _of_caffes(tape: Tape, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Give a weight in Caffe's layout, such as OIHW; one for each channel is 1."""
    if len(shape) < 2:
        return np.ones(shape, dtype=np.float32)
    return np.moveaxis(msra(tape, name, (*shape[1:], shape[0])), -1, 0)


def msra(tape: Tape, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Give normal numbers of variance 2 / fan_in, rounded to float32 once.

    Args:
        tape: The run's randomness.
        name: The variable's name.
        shape: HWIO or (in, out): all but the last axis are summed over, and make the fan-in.
    """
    deviation = math.sqrt(2 / math.prod(shape[:-1]))
    normals = tape.normals(f"weights/{name}", math.prod(shape))
    return (normals * deviation).astype(np.float32).reshape(shape)


def uniform(tape: Tape, name: str, shape: tuple[int, ...], bound: float) -> NDArray[np.float32]:
    """Give numbers spread evenly over [-bound, bound), rounded to float32 once."""
    numbers = tape.uniforms(f"weights/{name}", math.prod(shape))
    return ((2 * numbers - 1) * bound).astype(np.float32).reshape(shape)
