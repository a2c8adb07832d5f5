"""Loss, top-1 and top-5 against SciPy and the definitions written out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from ranparity.errors import InputError
from ranparity.training import evaluation
from ranparity.training.evaluation import cross_entropy, logits, outcome, scores, ten_crops

CLASSES = 7


class Copying:
    """Stands in for a model: its outputs are the first numbers of an image."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen.append(images.shape)
        return images.reshape(len(images), -1)[:, :CLASSES]


def images_of(outputs: Any) -> NDArray[np.float32]:
    """Images (N, 1, classes, 1) of which the model above makes these outputs."""
    return np.asarray(outputs, np.float32)[:, np.newaxis, :, np.newaxis]


def drawn(count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(3)
    return images_of(5 * random.standard_normal((count, CLASSES))), random.integers(
        CLASSES, size=count
    )


def batches_of(
    images: NDArray[np.float32], labels: NDArray[np.int64], size: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    for start in range(0, len(labels), size):
        yield images[start : start + size], labels[start : start + size]


OUTPUTS = st.integers(2, 9).flatmap(
    lambda classes: st.lists(
        # Few values, so that ties are common.
        st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.5, 3.0]), min_size=classes, max_size=classes),
        min_size=1,
        max_size=6,
    )
)


@given(OUTPUTS, st.data())
def test_the_rank_of_a_class_is_its_place_in_a_stable_sort(
    rows: list[list[float]], data: st.DataObject
) -> None:
    outputs = np.array(rows)
    classes = st.integers(0, outputs.shape[1] - 1)
    labels = np.array([data.draw(classes) for _ in rows])
    order = np.argsort(-outputs, axis=1, kind="stable")
    expected = [list(row).index(label) for row, label in zip(order, labels, strict=True)]
    found = evaluation.ranks(outputs, labels)
    assert found.tolist() == expected
    assert ((found == 0) == (outputs.argmax(axis=1) == labels)).all()


def test_scores_are_those_of_the_definitions() -> None:
    images, labels = drawn(40)
    outputs = images[:, 0, :, 0].astype(np.float64)
    losses = -log_softmax(outputs, axis=1)[range(40), labels]
    best = np.argsort(-outputs, axis=1)
    found = scores(Copying(), batches_of(images, labels, 16), 16)
    assert math.isclose(found.loss, losses.mean(), rel_tol=1e-14)
    assert found.top1 == np.mean(best[:, 0] == labels)
    assert found.top5 == np.mean((best[:, :5] == labels[:, np.newaxis]).any(axis=1))
    assert found.images == 40
    assert 0 < found.top1 < found.top5 < 1, "the figures must be able to be wrong"


@pytest.mark.parametrize("size", [1, 3, 40, 64])
def test_no_figure_depends_on_the_batches(size: int) -> None:
    images, labels = drawn(40)
    whole = scores(Copying(), [(images, labels)], 40)
    assert scores(Copying(), batches_of(images, labels, size), size) == whole
    assert scores(Copying(), batches_of(images, labels, 7), size) == whole


def test_a_model_sees_one_shape_and_the_filling_counts_for_nothing() -> None:
    images, labels = drawn(10)
    model = Copying()
    found = scores(model, batches_of(images, labels, 4), 4)
    assert found.images == 10
    assert model.seen == [(4, 1, CLASSES, 1)] * 3
    outputs = logits(model, images, 4)
    assert outputs.dtype == np.float64
    assert np.array_equal(outputs, images[:, 0, :, 0])


def test_five_of_fewer_classes_are_all() -> None:
    images = images_of([[0, 1, 2], [2, 1, 0]])
    found = scores(Copying(), [(images, np.array([0, 0]))], 2)
    assert (found.top1, found.top5) == (0.5, 1.0)


@pytest.mark.parametrize("rank", range(CLASSES))
def test_the_fifth_is_in_and_the_sixth_is_out(rank: int) -> None:
    images = images_of([np.arange(CLASSES)[::-1]])
    found = scores(Copying(), [(images, np.array([rank]))], 1)
    assert (found.top1, found.top5) == (rank == 0, rank < 5)


def test_cross_entropy_of_large_logits_neither_overflows_nor_is_clipped() -> None:
    outputs = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    assert cross_entropy(outputs, np.array([0, 0])) == 500


@pytest.mark.parametrize(
    "row", [[math.nan] * 3, [math.nan, 9.0, 1.0], [5.0, math.nan, 1.0], [math.inf, math.inf, 0.0]]
)
def test_a_broken_model_is_not_right_by_it(row: list[float]) -> None:
    found = scores(Copying(), [(images_of([row]), np.array([2]))], 1)
    assert found.top1 == 0
    assert math.isnan(found.loss)


def test_where_a_logit_is_no_number_no_class_is_first() -> None:
    outputs = np.array([[9.0, math.nan, 0.0]] * 3)
    assert evaluation.ranks(outputs, np.array([0, 1, 2])).tolist() == [1, 3, 2]


def test_classes_apart_are_the_whole() -> None:
    images, labels = drawn(40)
    labels[labels == 3] = 4
    found = outcome(Copying(), batches_of(images, labels, 16), 16)
    whole, parts = found.scores(), found.by_class()
    assert list(parts) == [0, 1, 2, 4, 5, 6], "3 has no images"
    for label, part in parts.items():
        chosen = labels == label
        assert part == scores(Copying(), [(images[chosen], labels[chosen])], 8)
    for figure in ("loss", "top1", "top5"):
        total = sum(getattr(part, figure) * part.images for part in parts.values())
        assert math.isclose(total / 40, getattr(whole, figure), rel_tol=1e-14)


@pytest.mark.parametrize("images", [[], [drawn(0)]])
def test_no_images_are_refused(images: list[Any]) -> None:
    with pytest.raises(InputError) as caught:
        scores(Copying(), images, 4)
    assert str(caught.value) == "test images: expected 1 or more. Received: 0"


def test_views_are_judged_by_their_mean_probabilities() -> None:
    images, labels = drawn(12)

    def views(given: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        yield given
        yield -2 * given
        yield given + 100  # the same probabilities, by other logits

    found = outcome(Copying(), batches_of(images, labels, 5), 5, views)
    outputs = images[:, 0, :, 0].astype(np.float64)
    mean = np.mean([softmax(view, axis=1) for view in (outputs, -2 * outputs, outputs)], axis=0)
    expected = -np.log(mean[range(12), labels])
    assert np.allclose(found.losses, expected, rtol=1e-4), "adding 100 rounds in float32"
    assert (found.ranks == evaluation.ranks(mean, labels)).all()
    plain = outcome(Copying(), batches_of(images, labels, 5), 5)
    assert (found.ranks != plain.ranks).any(), "the views must be able to matter"


def test_equal_views_change_nothing() -> None:
    images, labels = drawn(12)
    once = outcome(Copying(), [(images, labels)], 12)
    often = outcome(Copying(), [(images, labels)], 12, lambda given: [given] * 10)
    assert np.allclose(often.losses, once.losses, rtol=1e-13)
    assert (often.ranks == once.ranks).all()


def test_tiny_probabilities_are_averaged_without_underflow() -> None:
    views = [images_of([[0.0, 3000.0]]), images_of([[0.0, 2000.0]])]
    found = outcome(Copying(), [(views[0], np.array([0]))], 1, lambda _: views)
    assert math.isclose(found.scores().loss, 2000 + math.log(2), rel_tol=1e-15)


def pixels(image: NDArray[np.float32]) -> list[list[int]]:
    """A one-channel image as rows."""
    return [[int(value) for value in row] for row in image[:, :, 0]]


def test_ten_crops_are_corners_centre_and_their_mirrors() -> None:
    image = np.arange(24, dtype=np.float32).reshape(1, 4, 6, 1)  # rows of 6
    crops = [pixels(crop[0]) for crop in ten_crops(image, (2, 3))]
    assert crops == [
        [[0, 1, 2], [6, 7, 8]],
        [[3, 4, 5], [9, 10, 11]],
        [[12, 13, 14], [18, 19, 20]],
        [[15, 16, 17], [21, 22, 23]],
        [[7, 8, 9], [13, 14, 15]],
        [[2, 1, 0], [8, 7, 6]],
        [[5, 4, 3], [11, 10, 9]],
        [[14, 13, 12], [20, 19, 18]],
        [[17, 16, 15], [23, 22, 21]],
        [[9, 8, 7], [15, 14, 13]],
    ]


def test_padding_is_of_zeros_and_its_centre_is_the_image() -> None:
    image = np.arange(1, 5, dtype=np.float32).reshape(1, 2, 2, 1)
    crops = [pixels(crop[0]) for crop in ten_crops(image, (2, 2), padding=1)]
    assert crops[:5] == [
        [[0, 0], [0, 1]],
        [[0, 0], [2, 0]],
        [[0, 3], [0, 0]],
        [[4, 0], [0, 0]],
        [[1, 2], [3, 4]],
    ]
    assert crops[9] == [[2, 1], [4, 3]]


@given(
    st.integers(1, 7), st.integers(1, 7), st.integers(0, 3), st.integers(0, 4), st.integers(0, 4)
)
def test_crops_have_the_size_and_mirror_one_another(
    height: int, width: int, padding: int, down: int, right: int
) -> None:
    images = np.arange(2 * (height + down) * (width + right) * 3, dtype=np.float32)
    images = images.reshape(2, height + down, width + right, 3)
    crops = list(ten_crops(images, (height, width), padding))
    assert [crop.shape for crop in crops] == [(2, height, width, 3)] * 10
    for straight, mirrored in zip(crops[:5], crops[5:], strict=True):
        assert np.array_equal(straight, np.flip(mirrored, axis=2))
