"""Monte Carlo arithmetic: each result is moved at random by as much as a rounding could.

Source: Parker 1997, Monte Carlo Arithmetic; Verificarlo (Denis et al. 2016). A factor `1 + e` takes
a rounding's place, with e uniform within the precision's unit roundoff, times the square root of
the number of terms where a layer adds up: roundings of a long sum add up like a random walk.

In a mixed precision maps and their gradients are rounded to a narrow type, once, and so are weights
where they are used; sums on the way to them, moments, and what is kept are in a wider one. So a sum
has one narrow rounding and as many wide ones as it has terms, which is what products of matrices
are built to do; a framework that adds up in the narrow type is not explained by it, and shows.
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

UNIT_ROUNDOFF = {
    "bfloat16": 2.0**-8,
    "float16": 2.0**-11,
    "float32": 2.0**-24,
    "float64": 2.0**-53,
}
"""2^-p for a significand of p bits, the first, which is not stored, included: half of the distance
from 1 to the next number (IEEE 754-2019, table 3.5; bfloat16 stores 7 bits)."""
NARROW = {"bfloat16": "float32", "float16": "float32"}
"""The types of mixed precisions, and what is wider in them."""
WIDE = frozenset({"BN", "BatchNorm", "LRN", "MVN", "Normalize", "Reduction", "Scale", "Softmax"})
"""Types of layers that compute in the wider one; what they read and make is in the narrow one, and
their parameters are not rounded."""


@dataclasses.dataclass(frozen=True)
class Noise:
    """One noisy run's randomness: a stream for each tensor and direction, by name.

    Attributes:
        unit: The unit roundoff of the precision whose roundings are imitated.
        seed: Of all noisy runs.
        run: The number of this one.
        wide: That of the wider type of a mixed precision; 0 where there is one type.
    """

    unit: float
    seed: int
    run: int
    wide: float = 0.0

    @property
    def is_mixed(self) -> bool:
        """Whether it is of a mixed precision."""
        return self.wide > 0

    def size(self, terms: float, *, wide: bool = False) -> float:
        """How far from 1 a factor may be.

        Args:
            terms: How many terms are added up.
            wide: Whether their sum stays in the wider type.
        """
        if not self.is_mixed:
            return self.unit * math.sqrt(terms)
        summed = self.wide * math.sqrt(terms)
        return summed if wide else math.hypot(self.unit, summed)

    def factors(self, like: Tensor, name: str, terms: float, *, wide: bool = False) -> Tensor:
        """Factors of a tensor's elements, in its shape.

        Args:
            like: A tensor.
            name: What the stream is of.
            terms: How many terms each element adds up.
            wide: As in `size`.
        """
        import torch

        return torch.from_numpy(self.drawn(tuple(like.shape), name, terms, wide=wide))

    def drawn(
        self, shape: tuple[int, ...], name: str, terms: float, *, wide: bool = False
    ) -> NDArray[np.float64]:
        """Factors as an array of a shape; see `factors`."""
        words = hashlib.sha256(f"{self.seed}/{self.run}/{name}".encode()).digest()
        # Three times as fast as PyTorch's own generator, and 24 bits of a rounding are plenty.
        generator = np.random.Generator(np.random.SFC64(int.from_bytes(words[:16], "little")))
        drawn = np.asarray(generator.random(shape, np.float32), np.float64)
        size = self.size(terms, wide=wide)
        drawn *= 2 * size
        drawn += 1 - size
        return drawn

    def on_value(self, x: Tensor, name: str, terms: float, *, wide: bool = False) -> Tensor:
        """A tensor with its elements moved; its gradient stays as it is."""
        return _moved().apply(x, self, f"value/{name}", terms, wide)

    def on_gradient(self, x: Tensor, name: str, terms: float, *, wide: bool = False) -> Tensor:
        """A tensor as it is, whose gradient's elements are moved."""
        return _shaken().apply(x, self, f"gradient/{name}", terms, wide)

    def on_use(self, x: Tensor, name: str) -> Tensor:
        """A tensor as it is used that is kept in the wider type, if there is one."""
        return self.on_value(x, f"{name} as used", 0) if self.is_mixed else x


@functools.cache
def _moved() -> Any:
    from torch.autograd import Function

    class Moved(Function):
        @staticmethod
        def forward(
            _context: Any, x: Tensor, noise: Noise, name: str, terms: float, wide: bool
        ) -> Tensor:
            return x * noise.factors(x, name, terms, wide=wide)

        @staticmethod
        def backward(_context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
            return gradients[0], None, None, None, None

    return Moved


@functools.cache
def _shaken() -> Any:
    from torch.autograd import Function

    class Shaken(Function):
        @staticmethod
        def forward(
            context: Any, x: Tensor, noise: Noise, name: str, terms: float, wide: bool
        ) -> Tensor:
            context.how = noise, name, terms, wide
            return x.view_as(x)

        @staticmethod
        def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
            noise, name, terms, wide = context.how
            factors = noise.factors(gradients[0], name, terms, wide=wide)
            return gradients[0] * factors, None, None, None, None

    return Shaken
