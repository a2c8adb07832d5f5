"""How good a model is on images with known classes: loss, top-1 and top-5, from its logits.

Everything after the logits is float64 on the host, and sums are exact (`math.fsum`), so that no
figure depends on how the images were grouped into batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import InputError

if TYPE_CHECKING:
    from ranparity.data.dataset import Images, Labels

TOP = 5  # of ImageNet's second figure (Russakovsky et al., IJCV 2015, section 4.1)


class Inferring(Protocol):
    """A model that gives logits; every `Trainer` is one."""

    def logits(self, images: NDArray[np.float32], /) -> NDArray[np.floating]:
        """Give the outputs for images (NHWC) in inference mode, shape (N, classes)."""


@dataclass(frozen=True)
class Scores:
    """Figures over some images.

    Attributes:
        loss: Mean softmax cross-entropy, in nats.
        top1: Part of the images whose class has the largest logit.
        top5: Part of the images whose class has one of the five largest logits (of all, where
            there are fewer classes).
        images: How many.
    """

    loss: float
    top1: float
    top5: float
    images: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of each image.

    Attributes:
        labels: Its class, shape (N,).
        losses: Its softmax cross-entropy, shape (N,).
        ranks: How many classes come before its own, shape (N,); see `ranks`.
    """

    labels: Labels
    losses: NDArray[np.float64]
    ranks: NDArray[np.int64]

    def scores(self) -> Scores:
        """Give the figures over all images."""
        count = len(self.labels)
        return Scores(
            loss=math.fsum(self.losses) / count,
            top1=int((self.ranks < 1).sum()) / count,
            top5=int((self.ranks < TOP).sum()) / count,
            images=count,
        )

    def by_class(self) -> dict[int, Scores]:
        """Give the figures of each class that has images, by rising class."""
        return {int(label): self._of(self.labels == label) for label in np.unique(self.labels)}

    def _of(self, chosen: NDArray[np.bool_]) -> Scores:
        return Outcome(self.labels[chosen], self.losses[chosen], self.ranks[chosen]).scores()


def scores(model: Inferring, batches: Iterable[tuple[Images, Labels]], batch_size: int) -> Scores:
    """Give loss, top-1 and top-5 over batches of images (NHWC) with their classes (N,).

    Args:
        model: Its logits are asked for `batch_size` images at a time.
        batches: Of any sizes; see `ranparity.data.batches.held_out`.
        batch_size: Images at a time.

    Raises:
        InputError: There is no image.
    """
    return outcome(model, batches, batch_size).scores()


def outcome(
    model: Inferring,
    batches: Iterable[tuple[Images, Labels]],
    batch_size: int,
    views: Callable[[Images], Iterable[Images]] | None = None,
) -> Outcome:
    """Give what comes of each image.

    Args:
        model: As in `scores`.
        batches: As in `scores`.
        batch_size: As in `scores`.
        views: Gives, for images (NHWC), the versions of them whose class probabilities are
            averaged, such as `ten_crops`; without it, the images themselves are judged.

    Raises:
        InputError: There is no image.
    """
    found = [
        _judged(_outputs(model, images, batch_size, views), labels)
        for images, labels in batches
        if len(labels)
    ]
    if not found:
        raise InputError("test images: expected 1 or more. Received: 0")
    return Outcome(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def logits(model: Inferring, images: Images, batch_size: int) -> NDArray[np.float64]:
    """Give a model's outputs for any number of images (NHWC), shape (N, classes).

    The last batch is filled up with zeros, so that a compiled backend sees one shape only.
    """
    outputs = []
    for start in range(0, len(images), batch_size):
        part = images[start : start + batch_size]
        filled = np.zeros((batch_size, *images.shape[1:]), images.dtype)
        filled[: len(part)] = part
        outputs.append(model.logits(filled)[: len(part)])
    return np.concatenate(outputs).astype(np.float64)


def cross_entropy(outputs: NDArray[np.float64], labels: Labels) -> float:
    """Give the mean softmax cross-entropy.

    Args:
        outputs: Logits, shape (N, classes).
        labels: Classes, shape (N,).
    """
    return math.fsum(losses(outputs, labels)) / len(labels)


def losses(outputs: NDArray[np.float64], labels: Labels) -> NDArray[np.float64]:
    """Give each image's softmax cross-entropy, shape (N,); arguments as in `cross_entropy`."""
    return -_chosen(log_softmax(outputs), labels)[:, 0]


def ranks(outputs: NDArray[np.float64], labels: Labels) -> NDArray[np.int64]:
    """Give how many classes come before an image's own, shape (N,).

    Of equal logits the lower class comes first, as `argmax` has it. A logit that is not a number
    comes before all others, so that a broken model is never right by it.

    Args:
        outputs: Logits, shape (N, classes).
        labels: Classes, shape (N,).
    """
    own = _chosen(outputs, labels)
    later = np.arange(outputs.shape[1]) >= labels[:, np.newaxis]
    behind = (outputs < own) | ((outputs == own) & later)  # both are false of what is no number
    return np.asarray((~behind).sum(axis=1), np.int64)


def log_softmax(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logarithms of the probabilities that logits stand for, along the last axis."""
    with np.errstate(invalid="ignore"):  # of a broken model's outputs come NaNs, which are seen
        shifted = outputs - outputs.max(axis=-1, keepdims=True)
        normaliser = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.asarray(shifted - normaliser, np.float64)


def ten_crops(images: Images, size: tuple[int, int], padding: int = 0) -> Iterator[Images]:
    """Give the corners and the centre of images (NHWC), and then the mirrors of these five.

    Krizhevsky et al., NIPS 2012, section 4.1: four corner patches and the centre, with their
    horizontal reflections; the softmax outputs are averaged over the ten.

    Args:
        images: With the padding, at least as high and wide as `size`.
        size: Height and width of a crop, in pixels.
        padding: Zeros put on each side of an image first.
    """
    padded = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    height, width = size
    bottom, right = padded.shape[1] - height, padded.shape[2] - width
    corners = [(top, left) for top in (0, bottom) for left in (0, right)]
    crops = [
        padded[:, top : top + height, left : left + width]
        for top, left in (*corners, (bottom // 2, right // 2))
    ]
    yield from crops
    yield from (crop[:, :, ::-1] for crop in crops)


def _judged(
    outputs: NDArray[np.float64], labels: Labels
) -> tuple[Labels, NDArray[np.float64], NDArray[np.int64]]:
    """Give the fields of an `Outcome`."""
    return labels, losses(outputs, labels), ranks(outputs, labels)


def _outputs(
    model: Inferring,
    images: Images,
    batch_size: int,
    views: Callable[[Images], Iterable[Images]] | None,
) -> NDArray[np.float64]:
    """Give logits, shape (N, classes); over views, the logarithms of the probabilities' sums.

    Their softmax is the mean of the probabilities.
    """
    if views is None:
        return logits(model, images, batch_size)
    seen = [log_softmax(logits(model, view, batch_size)) for view in views(images)]
    return np.asarray(np.logaddexp.reduce(seen, axis=0), np.float64)


def _chosen(values: NDArray[np.float64], labels: Labels) -> NDArray[np.float64]:
    """Give each row's value at its label, shape (N, 1)."""
    return np.take_along_axis(values, labels[:, np.newaxis], axis=1)
