"""Masks are found in every net that has them, and are what the net computes with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.pictures import attention
from ranparity.pictures.attention import Module
from tests.commands.small_net import CLASSES, SIDE

IMAGES = np.random.default_rng(3).normal(0, 1, (3, SIDE, SIDE, 3)).astype(np.float32)


def built(name: str) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    return zoo.entry(name).build(
        input_shape=(SIDE, SIDE, 3), classes=CLASSES, classifier_activation=None
    )


@pytest.mark.parametrize(
    ("name", "factor", "is_sigmoid"),
    [
        ("attention56-cifar@16", 1, True),
        ("attention56-cifar-naive@16", 0, True),
        ("attention56-cifar-channel@16", 1, False),
        ("attention56-cifar-spatial@16", 1, True),
    ],
)
def test_after_is_what_the_module_makes_of_trunk_and_mask(
    name: str, factor: int, *, is_sigmoid: bool
) -> None:
    model = built(name)
    found = attention.modules(model)
    names = [module.name for module in found]
    assert names == ["AttentionA_1", "AttentionB_1", "AttentionC_1"]
    assert [module.stage for module in found] == [1, 2, 3]
    assert [module.is_sigmoid for module in found] == [is_sigmoid] * 3
    trunk, mask, after = (np.asarray(value) for value in _outputs(model, found[0]))
    assert np.allclose(after, (factor + mask) * trunk, atol=1e-5)
    assert not np.allclose(after, (1 - factor + mask) * trunk, atol=1e-5), "it can be told apart"


def _outputs(model: Any, module: Module) -> Any:
    import keras

    return keras.Model(model.input, list(module.outputs)).predict_on_batch(IMAGES)


def test_maps_are_means_over_channels_and_figures_are_of_all_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "BATCH", 2)  # so that the last batch is filled up
    model = built("attention56-cifar@16")
    found = attention.modules(model)
    for module, seen in zip(found, attention.see(model, found, IMAGES), strict=True):
        trunk, mask, after = (np.float64(value) for value in _outputs(model, module))
        assert mask.shape == (len(IMAGES), *module.shape)
        for maps, values in ((seen.before, trunk), (seen.mask, mask), (seen.after, after)):
            assert np.allclose(maps, values.mean(axis=3), atol=1e-5)
        figures = [seen.statistics[key] for key in ("min", "mean", "max", "std")]
        assert np.allclose(figures, [mask.min(), mask.mean(), mask.max(), mask.std()], atol=1e-5)


def test_saturated_is_the_share_near_0_or_1_of_a_sigmoid() -> None:
    mask = np.array([0, 0.01, 0.011, 0.5, 0.989, 0.995, 1, 0.6]).reshape(1, 2, 2, 2)
    assert attention.statistics(mask, is_sigmoid=True)["saturated"] == 4 / 8
    assert attention.statistics(mask, is_sigmoid=False)["saturated"] is None


def test_a_net_without_masks_has_no_modules() -> None:
    assert attention.modules(built("resnet18-cifar@64")) == []


def test_a_net_that_computes_no_numbers_is_refused() -> None:
    model = built("attention56-cifar@16")
    with pytest.raises(InputError) as caught:
        attention.see(model, attention.modules(model), np.full_like(IMAGES, np.nan))
    assert str(caught.value) == "masks: AttentionA_1: its maps are not all finite numbers"
