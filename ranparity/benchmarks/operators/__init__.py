"""A convolution on a framework, as a training step has it: one file each, to the protocol below."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol, cast

Do = Callable[[], Any]  # does it once, and gives what it made, which need not be there yet


class Operators(Protocol):
    """A framework: a module of this package. Its maps are NHWC, and its weights HWIO."""

    def forward(self, convolve: Callable[[Any, Any], Any], x: Any, weight: Any) -> Do:
        """Give what convolves.

        Args:
            convolve: This package's form of the convolution, of maps and a weight.
            x: The maps, a tensor of Keras's.
            weight: The weight, likewise.
        """

    def weight_gradient(
        self, convolve: Callable[[Any, Any], Any], x: Any, weight: Any, top: Any
    ) -> Do:
        """Give what makes the weight's gradient from the top's, without the forward pass."""

    def input_gradient(
        self, convolve: Callable[[Any, Any], Any], x: Any, weight: Any, top: Any
    ) -> Do:
        """Give what makes the maps' gradient from the top's, without the forward pass."""

    def product(self, left: Any, right: Any) -> Do:
        """Give what multiplies matrices, (group, rows, n) and (group, n, columns)."""

    def wait(self, made: Any) -> None:
        """Wait until what was made is there."""


def loaded(backend: str) -> Operators:
    """Give a framework's operators."""
    return cast(Operators, importlib.import_module(f"ranparity.benchmarks.operators.{backend}"))
