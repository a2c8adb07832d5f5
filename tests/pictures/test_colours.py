from __future__ import annotations

import numpy as np

from ranparity.pictures import colours


def test_maps_and_images_whose_sizes_do_not_divide_can_be_laid_over_one_another() -> None:
    laid, grey = np.zeros((3, 3, 3)), np.ones((7, 7))
    laid = colours.over(laid, grey)
    assert laid.shape == (7, 7, 3)
    assert np.allclose(laid, colours.GREY)


def test_a_value_has_the_colour_of_its_place_between_the_limits() -> None:
    drawn = colours.coloured(np.array([[2.0, 3.0, 4.0]]), (2.0, 4.0), "mask")
    places = colours.coloured(np.array([[0.0, 0.5, 1.0]]), (0.0, 1.0), "mask")
    assert np.array_equal(drawn, places)
    assert len(np.unique(drawn[0], axis=0)) == 3
    assert colours.limits(np.array([1.0, 3.0]), np.array([-2.0])) == (-2.0, 3.0)
