"""Monte Carlo arithmetic: each result is moved at random by as much as a rounding could.

Source: Parker 1997, Monte Carlo Arithmetic; Verificarlo (Denis et al. 2016). A factor `1 + e` takes
a rounding's place, with e uniform within the precision's unit roundoff, times the square root of
the number of terms where a layer adds up: roundings of a long sum add up like a random walk.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe.arbiter.base import Tensor

UNIT_ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}


@dataclasses.dataclass(frozen=True)
class Noise:
    """One noisy run's randomness: a stream for each tensor and direction, by name.

    Attributes:
        unit: The unit roundoff of the precision whose roundings are imitated.
        seed: Of all noisy runs.
        run: The number of this one.
    """

    unit: float
    seed: int
    run: int

    def factors(self, like: Tensor, name: str, terms: float) -> Tensor:
        """Factors of a tensor's elements, in its shape.

        Args:
            like: A tensor.
            name: What the stream is of.
            terms: How many terms each element adds up.
        """
        import torch

        return torch.from_numpy(self.drawn(tuple(like.shape), name, terms))

    def drawn(self, shape: tuple[int, ...], name: str, terms: float) -> NDArray[np.float64]:
        """Factors as an array of a shape; see `factors`."""
        words = hashlib.sha256(f"{self.seed}/{self.run}/{name}".encode()).digest()
        # Three times as fast as PyTorch's own generator, and 24 bits of a rounding are plenty.
        generator = np.random.Generator(np.random.SFC64(int.from_bytes(words[:16], "little")))
        drawn = np.asarray(generator.random(shape, np.float32), np.float64)
        size = self.unit * math.sqrt(terms)
        drawn *= 2 * size
        drawn += 1 - size
        return drawn

    def on_value(self, x: Tensor, name: str, terms: float) -> Tensor:
        """A tensor with its elements moved; its gradient stays as it is."""
        return _moved().apply(x, self, f"value/{name}", terms)

    def on_gradient(self, x: Tensor, name: str, terms: float) -> Tensor:
        """A tensor as it is, whose gradient's elements are moved."""
        return _shaken().apply(x, self, f"gradient/{name}", terms)


@functools.cache
def _moved() -> Any:
    from torch.autograd import Function

    class Moved(Function):
        @staticmethod
        def forward(_context: Any, x: Tensor, noise: Noise, name: str, terms: float) -> Tensor:
            return x * noise.factors(x, name, terms)

        @staticmethod
        def backward(_context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
            return gradients[0], None, None, None

    return Moved


@functools.cache
def _shaken() -> Any:
    from torch.autograd import Function

    class Shaken(Function):
        @staticmethod
        def forward(context: Any, x: Tensor, noise: Noise, name: str, terms: float) -> Tensor:
            context.how = noise, name, terms
            return x.view_as(x)

        @staticmethod
        def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
            noise, name, terms = context.how
            return gradients[0] * noise.factors(gradients[0], name, terms), None, None, None

    return Shaken
