"""A colour is only said where nobody would say another."""

from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.scenes.colours import HUES, colour_of, recoloured
from tests.fakes.drawings import shape


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        ((230, 20, 20), "red"),
        ((250, 130, 10), "orange"),
        ((255, 220, 40), "yellow"),
        ((40, 180, 50), "green"),
        ((40, 80, 230), "blue"),
        ((150, 50, 230), "purple"),
        ((250, 70, 180), "pink"),
        ((120, 70, 30), "brown"),
        ((15, 15, 15), "black"),
        ((252, 252, 250), "white"),
        ((128, 128, 128), "grey"),
        ((0, 180, 180), None),
        ((240, 220, 190), None),
        ((200, 200, 200), None),
    ],
)
def test_a_colour_has_its_name_or_none(rgb: tuple[int, int, int], colour: str | None) -> None:
    assert colour_of(shape(rgb)) == colour


def test_what_is_of_two_colours_has_none() -> None:
    flag = np.full((60, 90, 4), 255, dtype=np.uint8)
    flag[:30, :, :3] = (230, 20, 20)
    flag[30:, :, :3] = (40, 80, 230)

    assert colour_of(flag) is None
    assert colour_of(np.zeros((4, 4, 4), dtype=np.uint8)) is None


@pytest.mark.parametrize("target", HUES)
def test_a_copy_has_the_colour_it_is_given_and_its_shape(target: str) -> None:
    red = shape((230, 20, 20))

    other = recoloured(red, "red", target)

    assert colour_of(other) == target
    np.testing.assert_array_equal(other[:, :, 3], red[:, :, 3])
