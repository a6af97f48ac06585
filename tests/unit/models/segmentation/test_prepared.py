from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.segmentation.prepared import PADDING, SIDE_PX, Square, draw, views, whole
from models.vision.boxes import Box
from models.vision.tiles import PAPER_GRIDS, WHOLE, Grid

SIDES = st.integers(1, 16_384)
SHARES = st.floats(0, 1)


def test_a_wide_picture_fills_the_squares_width_and_the_rest_is_grey() -> None:
    picture = np.full((100, 200, 3), 9, dtype=np.uint8)

    drawn = draw(picture, whole(200, 100))

    assert drawn.shape == (SIDE_PX, SIDE_PX, 3)
    assert (drawn[:192] == 9).all()
    assert (drawn[192:] == PADDING).all()


def test_a_picture_of_one_pixel_fills_the_square() -> None:
    drawn = draw(np.full((1, 1, 3), 5, dtype=np.uint8), whole(1, 1))

    assert (drawn == 5).all()


def test_a_line_of_pixels_keeps_a_row_of_the_square() -> None:
    square = whole(16_384, 1)

    assert (square.width_px, square.height_px) == (384, 1)
    assert square.to_image(np.array([[0, 0, 1, 1 / 384]])).tolist() == [[0, 0, 16_384, 1]]


def test_a_box_of_the_square_is_the_box_of_the_picture_that_is_drawn_there() -> None:
    square = whole(800, 400)

    found = square.to_image(np.array([[0.25, 0.125, 0.5, 0.25]]))

    assert found.tolist() == [[200, 100, 400, 200]]


def test_a_box_that_reaches_into_the_padding_ends_with_the_picture() -> None:
    assert whole(800, 400).to_image(np.array([[-0.1, 0.0, 1.1, 1.0]])).tolist() == [[0, 0, 800, 400]]


@given(width=SIDES, height=SIDES, ends=st.tuples(SHARES, SHARES, SHARES, SHARES))
def test_a_box_comes_back_whatever_the_picture(
    width: int, height: int, ends: tuple[float, float, float, float]
) -> None:
    left, right = sorted((ends[0] * width, ends[1] * width))
    top, bottom = sorted((ends[2] * height, ends[3] * height))
    box = np.array([[left, top, right, bottom]])

    square = whole(width, height)

    np.testing.assert_allclose(square.to_image(square.to_square(box)), box, atol=1e-6)


@given(width=SIDES, height=SIDES, grid=st.sampled_from(PAPER_GRIDS))
def test_tiles_cover_the_picture_whatever_its_size(width: int, height: int, grid: Grid) -> None:
    overview, *tiles = views(width, height, grid)

    assert overview.window == Box(0, 0, width, height)
    assert len(tiles) == (0 if grid == WHOLE else grid.tiles)
    for edges, length in (
        ([(tile.window.left, tile.window.right) for tile in tiles[: grid.columns]], width),
        ([(tile.window.top, tile.window.bottom) for tile in tiles[:: grid.columns]], height),
    ):
        if edges:
            assert edges[0][0] == 0
            assert edges[-1][1] == length
            assert all(after[0] <= before[1] for before, after in pairwise(edges))


def test_neighbouring_tiles_share_an_eighth_of_their_side() -> None:
    _, left, right = views(1500, 800, Grid(2, 1))

    assert left.window.right - right.window.left == pytest.approx(800 / 8, abs=2)


def test_a_tile_shows_its_own_pixels_and_boxes_are_of_the_whole_picture() -> None:
    picture = np.zeros((400, 800, 3), dtype=np.uint8)
    picture[:, 600:] = 200
    tile = views(800, 400, Grid(2, 1))[2]

    drawn = draw(picture, tile)
    bright = np.flatnonzero(drawn[0, :, 0] > 100)
    box = np.array([[bright[0] / SIDE_PX, 0.0, (bright[-1] + 1) / SIDE_PX, 1.0]])

    assert tile.to_image(box)[0] == pytest.approx([600, 0, 800, 400], abs=2)


def test_without_a_picture_there_is_no_square() -> None:
    with pytest.raises(ValueError, match="cannot go into"):
        whole(0, 10)


def test_a_window_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie in"):
        draw(np.zeros((10, 10, 3), dtype=np.uint8), Square(Box(0, 0, 20, 10), 384, 192))
