"""A tensor of a backend against its reference: is the difference rounding?

    rho = ||found - reference|| / max(explained noise, u ||reference||)

in L2 norms, with the explained noise of `ranparity.caffe.arbiter` and the tensor's unit roundoff
u; 0/0 is identical, and x/0 infinite. rho is held against one constant, `LIMIT`, for all tensors,
nets, backends, levels and precisions.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe.arbiter.noise import NARROW, UNIT_ROUNDOFF

LIMIT = 100.0
"""Fixed at three times the largest rho, 33.6, of the first half of the clean comparisons (narrow
twins of six nets, three seeds each), before the second half was run: see the report."""
IDENTICAL, ROUNDING, DIFFERS, NOT_COMPARABLE = "identical", "rounding", "differs", "not comparable"
VERDICTS = (IDENTICAL, ROUNDING, DIFFERS, NOT_COMPARABLE)
FAILED = (DIFFERS, NOT_COMPARABLE)
MEASURED = "float32"  # whose noise is kept: it is linear in the unit roundoff, if that is small

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """What came of one tensor.

    Attributes:
        tensor: KIND/NAME, by its Caffe name.
        verdict: One of `VERDICTS`.
        reason: Why it is not comparable; empty if it is.
        shape: Of the tensor, NCHW where it is a map.
        largest_error: Of an element.
        rms_error: Root of the mean square.
        noise: The explained noise as such a root.
        rho: See the module; None where nothing can be compared.
        cosine: Of the angle between both; None where one is 0.
        worst: The index of the element with the largest error.
        found: Its value.
        expected: What the reference has there.
        step: Of the run, in lockstep; None elsewhere.
    """

    tensor: str
    verdict: str
    reason: str = ""
    shape: tuple[int, ...] = ()
    largest_error: float = 0.0
    rms_error: float = 0.0
    noise: float = 0.0
    rho: float | None = None
    cosine: float | None = None
    worst: tuple[int, ...] = ()
    found: float | None = None
    expected: float | None = None
    step: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as data that JSON can hold; it has no infinity, which is a text there."""
        content = dataclasses.asdict(self)
        return {name: in_json(value) for name, value in content.items()}


def in_json(value: Any) -> Any:
    """Give a value as JSON can hold it: what is not finite as a text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def noise_in(precision: str, noise: float) -> float:
    """Give an explained noise, of `measured_in`, as that of a precision.

    In float64 itself no factor lies between 1 and its neighbours, so that noise cannot be drawn.
    """
    return noise * UNIT_ROUNDOFF[precision] / UNIT_ROUNDOFF[measured_in(precision)]


def measured_in(precision: str) -> str:
    """Give the precision whose noise is drawn for one.

    A mixed precision's is its own: its roundings are of two sizes and at other places, and too
    large to be taken for a multiple of small ones.
    """
    return precision if precision in NARROW else MEASURED


def unit_of(tensor: str, precision: str) -> float:
    """Give the unit roundoff of a tensor: in a mixed precision what is kept is wider.

    Args:
        tensor: KIND/NAME.
        precision: Of the net.
    """
    narrow = tensor.startswith(("blob/", "gradient/"))
    return UNIT_ROUNDOFF[precision if narrow else NARROW.get(precision, precision)]


def missing(tensor: str, reason: str) -> Row:
    """Give the row of a tensor that cannot be compared."""
    return Row(tensor, NOT_COMPARABLE, reason)


def compare(tensor: str, found: Array, expected: Array, noise: float, precision: str) -> Row:
    """Hold a tensor against its reference.

    Args:
        tensor: Its name.
        found: What a backend has.
        expected: In float64, of the same layout.
        noise: The explained noise, an L2 distance, in the precision.
        precision: A key of `UNIT_ROUNDOFF`.
    """
    if found.shape != expected.shape:
        return missing(tensor, f"expected shape {expected.shape}, found {found.shape}")
    found, expected = (np.asarray(x, np.float64) for x in (found, expected))
    length = _norm(expected)
    if not math.isfinite(length):
        return missing(tensor, "the reference has elements that are no finite numbers")
    error = found - expected
    largest = np.abs(error)
    worst = np.unravel_index(int(np.argmax(largest)), error.shape) if error.size else ()
    distance = _norm(error)
    allowed = max(noise, unit_of(tensor, precision) * length)
    rho = _ratio(distance, allowed)
    root = math.sqrt(max(1, error.size))
    return Row(
        tensor=tensor,
        verdict=_verdict(distance, rho),
        shape=tuple(found.shape),
        largest_error=float(largest[worst]) if error.size else 0.0,
        rms_error=distance / root,
        noise=noise / root,
        rho=rho,
        cosine=_cosine(found, expected, _norm(found) * length),
        worst=tuple(map(int, worst)),
        found=float(found[worst]) if error.size else None,
        expected=float(expected[worst]) if error.size else None,
    )


def _norm(x: Array) -> float:
    """The L2 norm; what is not finite is infinitely long.

    NumPy sums squares by itself: a BLAS's threads would wait for one another on processors that
    backends keep busy, most of a judge's time, and their number would be seen in the last digits.
    """
    largest = float(np.max(np.abs(x), initial=0.0))
    if not math.isfinite(largest):
        return math.inf
    return largest * math.sqrt(np.sum(np.square(x / largest))) if largest else 0.0


def _ratio(distance: float, allowed: float) -> float:
    if distance == 0:
        return 0.0
    return distance / allowed if allowed else math.inf


def _verdict(distance: float, rho: float) -> str:
    if distance == 0:
        return IDENTICAL
    return ROUNDING if rho <= LIMIT else DIFFERS


def _cosine(found: Array, expected: Array, lengths: float) -> float | None:
    """The cosine of two tensors, whose lengths' product is known."""
    if not lengths or not math.isfinite(lengths):
        return None
    return float(np.sum(found * expected)) / lengths
