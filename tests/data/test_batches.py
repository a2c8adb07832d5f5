from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare, kstest

from ranparity.data import batches as module
from ranparity.data import digest, digits, normalisation
from ranparity.data.augment import Augmentation
from ranparity.data.batches import Batch, Batches, held_out, one_hot
from ranparity.data.dataset import ArrayPart, Dataset, in_memory
from ranparity.data.normalisation import Normalisation
from ranparity.data.tape import Tape
from ranparity.errors import InputError

ONE = np.ones((1, 1, 1), np.float32)
AS_THEY_ARE = Normalisation("range", 0 * ONE, ONE, 0)
EVERYTHING = Augmentation(padding=2, flip=True, shift=1, mixup=0.5, mixup_epochs=2)


def numbered(count: int) -> Dataset:
    """Images that are all different: each holds its own number, in one pixel."""
    pixels = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    part = ArrayPart(np.arange(count) % 3, pixels)
    return in_memory("numbered", part, part, ("a", "b", "c"))


def random(count: int, stored: tuple[int, int, int], seen: tuple[int, int]) -> Dataset:
    """Random pixels of one size, of which a network sees another."""
    pixels = Tape(5).integers("pixels", count * int(np.prod(stored)), 256).astype(np.uint8)
    part = ArrayPart(np.arange(count) % 3, pixels.reshape(count, *stored))
    dataset = in_memory("random", part, part, ("a", "b", "c"))
    return replace(dataset, image_shape=(*seen, stored[2]))


def numbers(batches: Batches, step: int) -> list[int]:
    return [int(number) for number in batches.at(step).images.ravel()]


def on_digits(**changes: Any) -> Batches:
    data = digits.load()
    return Batches(data, Tape(7), 64, normalisation.fit("range", data), **changes)


def test_plain_digits_are_those_of_the_first_releases() -> None:
    """Whose digests were of the images and of integer labels."""
    batches = on_digits()
    assert batches.steps_per_epoch == 22
    for step, expected in [
        (0, "5a999ef5553045eb2105797b9df2323315f401a278f6747eab1e46345dcaed9a"),
        (22, "ac3b6eec0774e17827eace1508df56f7c54554a053c89faa8d8dfebbb74a2b96"),
    ]:
        batch = batches.at(step)
        assert digest.of_arrays((batch.images, batch.targets.argmax(axis=1))) == expected


def test_golden_batches() -> None:
    augmented = on_digits(
        augmentation=Augmentation(padding=4, flip=True, shift=3, mixup=0.2), label_noise=0.3
    )
    assert on_digits().at(0).digest == GOLDEN_PLAIN
    assert augmented.at(23).digest == GOLDEN_AUGMENTED
    assert replace(augmented, prefix="second ").at(23).digest == GOLDEN_SECOND
    bright = on_digits(augmentation=Augmentation(padding=4, flip=True, e4040_noise=0.3))
    assert bright.at(23).digest == GOLDEN_BRIGHT


GOLDEN_PLAIN = "cece34dda140257806d9228cd688732d26ae57fc68a65b94175e6ed71fc40996"
GOLDEN_AUGMENTED = "e209a84f950b5f7c886bdc22141261990d6c66757b04c9fc19bd8a674cddc2d0"
GOLDEN_SECOND = "160c7fb4675d52603ef8bb34ad97130898aeaaefe60d724970c11cbb2e90c5c7"
GOLDEN_BRIGHT = "51d91cb5a80c05d86ffe1f3cd26841f7a06e1eb07cdfd519649b0b7e36489338"


@given(
    count=st.integers(1, 40),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 100),
)
def test_an_epoch_shows_no_image_twice_and_leaves_out_less_than_a_batch(
    count: int, share: float, seed: int, epoch: int
) -> None:
    size = 1 + round(share * (count - 1))
    batches = Batches(numbered(count), Tape(seed), size, AS_THEY_ARE)
    steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
    seen = [number for step in steps for number in numbers(batches, step)]
    assert len(seen) == len(set(seen)) == count - count % size


def test_images_keep_their_labels() -> None:
    batch = Batches(numbered(30), Tape(0), 7, AS_THEY_ARE).at(5)
    assert (batch.images.ravel().astype(int) % 3 == batch.targets.argmax(axis=1)).all()


@given(
    sides=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    more=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    channels=st.integers(1, 3),
    seed=st.integers(0, 2**64 - 1),
    step=st.integers(0, 9),
    padding=st.integers(0, 1),
    flip=st.booleans(),
    shift=st.integers(0, 1),
    mixup=st.sampled_from([0.0, 0.5, 1.0]),
    noise=st.sampled_from([0.0, 0.5]),
    level=st.sampled_from([None, 0.0, 0.7]),
    prefix=st.sampled_from(["", "second "]),
)
def test_a_batch_is_what_the_rules_say_image_by_image(
    sides: tuple[int, int],
    more: tuple[int, int],
    channels: int,
    seed: int,
    step: int,
    padding: int,
    flip: bool,
    shift: int,
    mixup: float,
    noise: float,
    level: float | None,
    prefix: str,
) -> None:
    """Three steps an epoch, and mixup in the first two epochs."""
    data = random(13, (sides[0] + more[0], sides[1] + more[1], channels), sides)
    augmentation = Augmentation(padding, flip, shift, mixup, 2, level)
    norm = normalisation.fit("pixel-mean", data)
    batches = Batches(data, Tape(seed), 4, norm, augmentation, noise, prefix)
    images, targets = written_out(batches, step // 3, step % 3)
    assert np.array_equal(batches.at(step).images, images)
    assert np.array_equal(batches.at(step).targets, targets)


def written_out(
    batches: Batches, epoch: int, position: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A batch, made one image after another with NumPy's own functions."""
    data, tape, size, how = batches.dataset, batches.tape, batches.batch_size, batches.augmentation
    rows, columns, _ = data.image_shape
    order = tape.permutation(batches.prefix + "order", len(data.train.labels), epoch=epoch)
    place = {"epoch": epoch, "step": position}

    def drawn(purpose: str, below: int) -> list[int]:
        numbers = tape.integers(batches.prefix + purpose, size, below, **place)
        return [int(number) for number in numbers]

    images, targets = [], []
    for index, chosen in enumerate(order[position * size :][:size]):
        image = batches.normalisation(data.train.read(np.array([chosen])))[0]
        image = np.pad(image, ((how.padding,) * 2, (how.padding,) * 2, (0, 0)))
        top = drawn("crop/row", image.shape[0] - rows + 1)[index]
        left = drawn("crop/column", image.shape[1] - columns + 1)[index]
        image = image[top : top + rows, left : left + columns]
        if how.flip and drawn("flip", 2)[index]:
            image = np.fliplr(image)
        reach = how.shift
        down = drawn("shift/row", 2 * reach + 1)[index]  # 0 is up by `reach`
        right = drawn("shift/column", 2 * reach + 1)[index]
        image = np.pad(image, ((down, 2 * reach), (right, 2 * reach), (0, 0)), mode="edge")
        image = image[reach : reach + rows, reach : reach + columns]
        if how.e4040_noise is not None:  # in grey levels, which a pixel mean leaves as they are
            normal = tape.normals(batches.prefix + "e4040 noise", size, **place)[index]
            image = image + np.float32(normal * (1 + how.e4040_noise))
        images.append(image)
        targets.append(np.eye(3, dtype=np.float32)[batches.labels[chosen]])
    if how.mixup and epoch < 2:
        partners = tape.permutation(batches.prefix + "mixup/partner", size, **place)
        share = np.float32(tape.betas(batches.prefix + "mixup/share", 1, how.mixup, **place)[0])
        images, targets = (
            [share * own[i] + (1 - share) * own[partners[i]] for i in range(size)]
            for own in (images, targets)
        )
    return np.array(images), np.array(targets)


def test_every_place_of_a_crop_is_as_likely_and_a_flip_is_a_half() -> None:
    """Which crop it is can be read off one image whose pixels all differ, and so can the flip."""
    pixels = np.arange(1, 26, dtype=np.uint8).reshape(1, 5, 5, 1).repeat(500, axis=0)
    part = ArrayPart(np.zeros(500, np.int64), pixels)
    data = replace(in_memory("one", part, part, ("a",)), image_shape=(4, 4, 1))
    batches = Batches(data, Tape(3), 500, AS_THEY_ARE, Augmentation(padding=1, flip=True))
    corners = np.concatenate([batches.at(step).images[:, 1:3, 1:3, 0] for step in range(20)])
    tops, counts = np.unique(corners[:, 0].min(axis=1), return_counts=True)
    assert tops.size == 16  # 4 by 4 places
    assert chisquare(counts).pvalue > 1e-3
    mirrored = int((corners[:, 0, 0] > corners[:, 0, 1]).sum())
    assert abs(mirrored - 5000) < 5 * 50


def test_each_image_of_a_batch_has_draws_of_its_own() -> None:
    pixels = np.arange(1, 26, dtype=np.uint8).reshape(1, 5, 5, 1).repeat(500, axis=0)
    part = ArrayPart(np.zeros(500, np.int64), pixels)
    data = in_memory("one", part, part, ("a",))
    for how in (Augmentation(padding=1), Augmentation(flip=True), Augmentation(shift=1)):
        images = Batches(data, Tape(3), 500, AS_THEY_ARE, how).at(0).images
        assert len(np.unique(images, axis=0)) == (2 if how.flip else 9)


def test_an_images_brightness_is_of_the_size_that_its_level_says() -> None:
    """One number for all of an image, in 255ths of a pixel's range, as normalised images have it.

    A level of 0 is a deviation of 1, as in the project that it is from; none is none.
    """
    data = digits.load()
    for kind in ("range", "imagenet"):
        norm = normalisation.fit(kind, data)
        plain = Batches(data, Tape(1), 1437, norm)
        assert plain.augmentation.e4040_noise is None
        for level in (0.0, 0.7):
            noisy = replace(plain, augmentation=Augmentation(e4040_noise=level))
            added = (noisy.at(0).images - plain.at(0).images) * norm.deviation * 255 / data.top
            assert np.abs(added - added[:, :1, :1, :1]).max() < 1e-4
            normals = added[:, 0, 0, 0].astype(np.float64) / (1 + level)
            assert kstest(normals, "norm").pvalue > 1e-3
            assert kstest(normals * 1.2, "norm").pvalue < 1e-4
            assert np.array_equal(noisy.at(0).targets, plain.at(0).targets)


def test_labels_that_are_wrong_on_purpose_are_counted() -> None:
    batches = on_digits(label_noise=0.3)
    wrong = [int(a != b) for a, b in zip(batches.labels, batches.dataset.train.labels, strict=True)]
    assert batches.changed_labels == sum(wrong)
    assert 0.25 < batches.changed_labels / 1437 < 0.35
    assert on_digits().changed_labels == 0


def test_no_draw_is_used_twice() -> None:
    """Within a batch, from a step to the next, and from a stage to the next."""
    data = random(60, (4, 4, 1), (4, 4))
    used: list[tuple[Any, ...]] = []

    class Listening(Tape):
        def words(self, purpose: str, count: int, *, epoch: int = 0, step: int = 0) -> Any:
            used.append((purpose, epoch, step))
            return super().words(purpose, count, epoch=epoch, step=step)

    first = Batches(data, Listening(0), 20, AS_THEY_ARE, EVERYTHING)
    for batches in (first, replace(first, prefix="second ")):
        for step in range(6):
            batches.at(step)
    assert len(used) >= 2 * 6 * 7
    assert len(set(used)) == len(used)


def test_a_batch_does_not_depend_on_those_before_it() -> None:
    data = random(30, (4, 4, 3), (3, 4))
    used = Batches(data, Tape(0), 7, AS_THEY_ARE, EVERYTHING, 0.5)
    for step in range(9):
        used.at(step)
    fresh = Batches(data, Tape(0), 7, AS_THEY_ARE, EVERYTHING, 0.5)
    assert used.at(9).digest == fresh.at(9).digest


def test_threads_make_the_same_batches() -> None:
    batches = Batches(random(30, (4, 4, 3), (3, 4)), Tape(0), 7, AS_THEY_ARE, EVERYTHING, 0.5)
    expected = [batches.at(step).digest for step in range(40)]
    module._order.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert [batch.digest for batch in pool.map(batches.at, range(40))] == expected


def test_every_epoch_has_an_order_of_its_own() -> None:
    batches = Batches(numbered(30), Tape(0), 30, AS_THEY_ARE)
    assert numbers(batches, 0) != numbers(batches, 1)
    assert numbers(batches, 0) != numbers(replace(batches, prefix="second "), 0)
    assert numbers(batches, 0) != numbers(replace(batches, tape=Tape(1)), 0)


def test_an_epochs_order_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = Batches(numbered(30), Tape(0), 5, AS_THEY_ARE)
    module._order.cache_clear()
    sorted_, argsort = [], np.argsort
    monkeypatch.setattr(np, "argsort", lambda *a, **k: (sorted_.append(1), argsort(*a, **k))[1])
    for step in range(12):
        batches.at(step)
    assert len(sorted_) == 2
    with pytest.raises(ValueError, match="read-only"):
        batches.order(0)[0] = 1


def test_wrong_labels_are_those_of_the_image_in_every_epoch_and_stage() -> None:
    noisy = Batches(numbered(30), Tape(0), 30, AS_THEY_ARE, label_noise=0.5)
    assert (noisy.labels != noisy.dataset.train.labels).any()
    for batches, step in [(noisy, 0), (noisy, 1), (replace(noisy, prefix="second "), 0)]:
        shown = batches.at(step).targets.argmax(axis=1)
        assert shown.tolist() == noisy.labels[numbers(batches, step)].tolist()


def test_the_digest_covers_images_and_targets() -> None:
    batch = Batches(numbered(30), Tape(0), 7, AS_THEY_ARE).at(0)
    assert batch.digest != Batch(batch.images, batch.targets[::-1]).digest
    assert batch.digest != Batch(batch.images[::-1], batch.targets).digest


def test_one_hot() -> None:
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_held_out_images_are_all_there_in_order_and_cut_out_of_the_middle(size: int) -> None:
    data = random(7, (6, 5, 3), (4, 4))
    norm = normalisation.fit("pixel-mean", data)
    parts = list(held_out(data, norm, size))
    assert [len(labels) for _, labels in parts] == [size] * (7 // size) + [7 % size] * (
        7 % size > 0
    )
    expected = norm(data.test.read(np.arange(7)))[:, 1:5, 0:4]
    assert np.array_equal(np.concatenate([images for images, _ in parts]), expected)
    assert np.array_equal(np.concatenate([labels for _, labels in parts]), data.test.labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch size: expected 1 to 30, the training images of numbered."),
        ({"batch_size": 31}, "batch size: expected 1 to 30, the training images of numbered."),
        (
            {"augmentation": Augmentation(padding=2)},
            "padding: expected 0 to 1, the side of an image of numbered. Received: 2",
        ),
        (
            {"augmentation": Augmentation(shift=2)},
            "shift: expected 0 to 1, the side of an image of numbered. Received: 2",
        ),
        ({"label_noise": 2}, "label noise: expected 0 to 1. Received: 2"),
    ],
)
def test_what_does_not_fit_the_data_is_bad_input(changes: dict[str, Any], message: str) -> None:
    if "batch_size" in changes:
        message += f" Received: {changes['batch_size']}"
    with pytest.raises(InputError) as caught:
        replace(Batches(numbered(30), Tape(0), 7, AS_THEY_ARE), **changes)
    assert str(caught.value) == message
