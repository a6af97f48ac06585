"""Random views keep what a name is about."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.vision.global_encoder.views import SIDE_PX, Freedom, trimmed, view

FIXED = Freedom(hue=False, mirror=False)


def half_red(size: int = 64) -> Image.Image:
    """Return a picture whose left half is red and whose right half is blue."""
    pixels = np.zeros((size, size, 4), dtype=np.uint8)
    pixels[:, : size // 2] = (220, 30, 30, 255)
    pixels[:, size // 2 :] = (30, 30, 220, 255)
    return Image.fromarray(pixels)


def test_the_same_draw_gives_the_same_view() -> None:
    first, second = (view(half_red(), Freedom(), np.random.default_rng(3)) for _ in range(2))

    assert (first == second).all()
    assert first.shape == (SIDE_PX, SIDE_PX, 3)


def test_other_draws_give_other_views() -> None:
    views = {view(half_red(), Freedom(), np.random.default_rng(seed)).tobytes() for seed in range(8)}

    assert len(views) == 8


@pytest.mark.parametrize("seed", range(12))
def test_nothing_changes_sides_or_colour_where_that_has_a_meaning(seed: int) -> None:
    seen = view(half_red(), FIXED, np.random.default_rng(seed)).astype(float)

    middle = seen[90:134]
    left, right = middle[:, 60:95].mean((0, 1)), middle[:, 130:165].mean((0, 1))
    assert left[0] > left[2]
    assert right[2] > right[0]


def test_sides_change_where_they_may() -> None:
    middles = [
        view(half_red(), Freedom(hue=False, mirror=True), np.random.default_rng(seed))[112, 75]
        for seed in range(20)
    ]

    reds = [int(pixel[0]) > int(pixel[2]) for pixel in middles]
    assert 0 < sum(reds) < len(reds)


def test_a_transparent_margin_is_cut_off() -> None:
    wide = Image.new("RGBA", (100, 60), (0, 0, 0, 0))
    wide.paste((1, 2, 3, 255), (20, 10, 50, 40))

    assert trimmed(wide).size == (30, 30)
    assert trimmed(Image.new("RGBA", (5, 5), (0, 0, 0, 0))).size == (5, 5)
