"""Masks in pixels: where they lie, and that a part of one is the same as that part of the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.segmentation.pixels import bands_of, drawn, mask, mask_logits, reach
from models.segmentation.prepared import Square, whole
from models.vision.boxes import Box

CELLS = 96


def _ramp(cells: int = CELLS) -> np.ndarray:
    """Each cell has the share of the square's width that its middle lies at."""
    row = (np.arange(cells, dtype=np.float32) + 0.5) / cells
    return np.tile(row, (cells, 1))


def _noise(cells: int = CELLS) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(cells, cells)).astype(np.float32)


def test_a_mask_is_the_product_of_query_and_features() -> None:
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(3, 5)).astype(np.float32)
    features = rng.normal(size=(5, 4, 4)).astype(np.float32)

    assert mask_logits(queries, features) == pytest.approx(
        np.einsum("kc,chw->khw", queries, features), abs=1e-5
    )
    assert mask_logits(queries[:0], features).shape == (0, 4, 4)


def test_a_pixel_is_read_where_it_lies_in_the_square() -> None:
    square = whole(768, 768)

    read = drawn(_ramp(), square, square.window)

    inner = slice(4, -4)  # beyond the outermost cells' middles nothing is known
    assert read[0, inner] == pytest.approx(((np.arange(768) + 0.5) / 768)[inner], abs=1e-6)


@pytest.mark.parametrize("side_px", [96, 384, 500])
def test_between_cells_it_is_as_another_hand_interpolates(side_px: int) -> None:
    cells = _noise()
    expected = Image.fromarray(cells).resize((side_px, side_px), Image.Resampling.BILINEAR)

    square = whole(side_px, side_px)

    assert drawn(cells, square, square.window) == pytest.approx(np.asarray(expected), abs=1e-5)


@given(st.data())
def test_a_window_is_that_part_of_the_whole(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 80)), data.draw(st.integers(1, 80))
    square = whole(width, height, side_px=32)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left, width)), data.draw(st.integers(top, height))
    window = Box(left, top, right, bottom)
    cells = _noise(8)

    everything = drawn(cells, square, square.window)

    assert np.array_equal(drawn(cells, square, window), everything[window.rows, window.columns])
    assert np.array_equal(mask(cells, square, window), everything[window.rows, window.columns] > 0)


@pytest.mark.parametrize(("width_px", "height_px"), [(200, 100), (100, 200)])
def test_what_the_padding_holds_is_not_read(width_px: int, height_px: int) -> None:
    square = whole(width_px, height_px)
    cells = np.full((CELLS, CELLS), -1e9, dtype=np.float32)
    cells[: height_px * CELLS // 200, : width_px * CELLS // 200] = 1

    assert drawn(cells, square, square.window) == pytest.approx(1)


def test_a_tile_is_drawn_where_it_lies_in_the_picture() -> None:
    square = Square(Box(1000, 500, 1384, 884), 384, 384)

    read = drawn(_ramp(), square, Box(1190, 600, 1194, 601))

    assert read[0] == pytest.approx([190.5 / 384, 191.5 / 384, 192.5 / 384, 193.5 / 384], abs=1e-6)


@pytest.mark.parametrize(("width_px", "height_px"), [(1, 1), (1, 3000), (3000, 1)])
def test_a_picture_one_pixel_wide_has_masks_too(width_px: int, height_px: int) -> None:
    square = whole(width_px, height_px)

    assert mask(np.ones((CELLS, CELLS), dtype=np.float32), square, square.window).all()
    assert mask(_noise(), square, square.window).shape == (height_px, width_px)


def test_a_large_mask_is_made_in_bands_and_no_seam_is_seen() -> None:
    square = whole(900, 1200)
    cells = _noise()

    assert np.array_equal(mask(cells, square, square.window), drawn(cells, square, square.window) > 0)
    bands = list(bands_of(square.window))
    assert len(bands) > 2
    assert [band.top for band in bands[1:]] == [band.bottom for band in bands[:-1]]
    assert max(band.area for band in bands) <= 1 << 18


def test_a_mask_may_go_a_tenth_and_a_cell_beyond_its_box() -> None:
    square = whole(960, 960)

    found = reach(np.array([200.0, 300.0, 400.0, 350.0]), square, CELLS)

    assert found == Box(200 - 20 - 10, 300 - 5 - 10, 400 + 20 + 10, 350 + 5 + 10)


def test_no_mask_goes_beyond_what_its_square_shows() -> None:
    square = Square(Box(100, 100, 300, 200), 384, 192)

    assert reach(np.array([100.0, 110.0, 300.0, 200.0]), square, CELLS) == square.window
    assert reach(np.array([900.0, 900.0, 950.0, 950.0]), square, CELLS).area == 0
