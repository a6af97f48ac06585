from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.boxes import Box
from models.vision.tiles import (
    PAPER_GRIDS,
    UI_GRIDS,
    WHOLE,
    Grid,
    Layout,
    TokenLimitError,
    check_tokens,
    cut,
    merge,
    padded,
    patch_count,
    select_grid,
    split,
    stretched,
    token_count,
)

SIDES = st.integers(1, 20_000)
GRIDS = st.sampled_from((*PAPER_GRIDS, *UI_GRIDS))
LAYOUTS = st.sampled_from((stretched, padded))
SHARES = st.floats(0, 1)

# What the rule gives for tiles of 336 pixels, computed once independently of this code.
GOLDEN = [
    ((336, 336), (1, 1), (1, 2)),
    ((100, 100), (1, 1), (1, 2)),
    ((640, 480), (2, 2), (2, 2)),
    ((500, 375), (2, 2), (2, 2)),
    ((480, 640), (2, 2), (2, 2)),
    ((1024, 768), (3, 2), (2, 2)),
    ((768, 1024), (2, 3), (2, 2)),
    ((1920, 1080), (3, 2), (2, 2)),
    ((1080, 1920), (2, 3), (2, 2)),
    ((2000, 400), (5, 1), (3, 1)),
    ((400, 2000), (1, 5), (1, 3)),
    ((2400, 400), (6, 1), (3, 1)),
    ((3000, 300), (6, 1), (3, 1)),
    ((1000, 1000), (2, 2), (2, 2)),
    ((700, 350), (3, 2), (2, 1)),
]


def _sizes(count: int) -> list[tuple[int, int]]:
    """Return sizes whose logarithms are uniform, so that narrow pictures are as frequent as wide."""
    logs = np.random.default_rng(0).uniform(0, np.log(20_000), size=(count, 2))
    return [(int(width), int(height)) for width, height in np.ceil(np.exp(logs))]


@pytest.mark.parametrize(("size", "paper", "ui"), GOLDEN)
def test_the_selector_gives_the_golden_grids(
    size: tuple[int, int], paper: tuple[int, int], ui: tuple[int, int]
) -> None:
    assert select_grid(*size, side_px=336) == paper
    assert select_grid(*size, side_px=336, grids=UI_GRIDS) == ui


def test_the_grid_sets_are_the_published_ones() -> None:
    assert set(PAPER_GRIDS) == {
        (columns, rows)
        for columns in range(1, 7)
        for rows in range(1, 7)
        if columns * rows <= 6 and (min(columns, rows) == 1 or (columns, rows) in {(2, 2), (2, 3), (3, 2)})
    }
    assert UI_GRIDS == ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))


def test_most_pixels_survive_in_the_grid_that_is_selected_whatever_the_size() -> None:
    grids = np.array(PAPER_GRIDS)
    for width_px, height_px in _sizes(10_000):
        scale = np.minimum(1, (grids * 336 / (width_px, height_px)).min(axis=1))
        kept = scale**2 * width_px * height_px
        best = grids[kept >= kept.max() * (1 - 1e-12)]

        found = select_grid(width_px, height_px, side_px=336)

        assert list(found) in best.tolist()
        assert found.tiles == best.prod(axis=1).min()


def test_ties_go_to_less_waste_then_to_the_grid_named_first() -> None:
    assert select_grid(10, 10, side_px=336, grids=(Grid(6, 1), Grid(2, 1), Grid(1, 2))) == (2, 1)
    assert select_grid(10, 10, side_px=336, grids=(Grid(6, 1), Grid(1, 2), Grid(2, 1))) == (1, 2)


def test_a_line_of_20000_pixels_becomes_six_tiles_in_either_direction() -> None:
    assert select_grid(1, 20_000, side_px=336) == (1, 6)
    assert select_grid(20_000, 1, side_px=336) == (6, 1)
    line = np.full((20_000, 1, 3), 7, dtype=np.uint8)
    for layout in (stretched, padded):
        tiles = cut(line, layout(1, 20_000, grid=Grid(1, 6), side_px=32))
        assert tiles.shape == (6, 32, 32, 3)
        assert (tiles == 7).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(
    ("size", "side_px", "grids"), [((0, 5), 8, PAPER_GRIDS), ((5, 5), 0, PAPER_GRIDS), ((5, 5), 8, ())]
)
def test_what_cannot_be_tiled_is_refused(
    size: tuple[int, int], side_px: int, grids: tuple[Grid, ...]
) -> None:
    with pytest.raises(ValueError, match="cannot go into"):
        select_grid(*size, side_px=side_px, grids=grids)


@given(
    layout=LAYOUTS,
    width_px=SIDES,
    height_px=SIDES,
    grid=GRIDS,
    shares=st.lists(st.tuples(SHARES, SHARES), min_size=1),
)
def test_points_come_back_to_their_pixels_from_canvas_and_tiles(
    layout: Callable[..., Layout],
    width_px: int,
    height_px: int,
    grid: Grid,
    shares: list[tuple[float, float]],
) -> None:
    found = layout(width_px, height_px, grid=grid, side_px=224)
    points = np.array(shares) * (width_px, height_px)

    tiles, places = found.to_tiles(points)

    np.testing.assert_allclose(found.to_image(found.to_canvas(points)), points, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.from_tiles(tiles, places), points, rtol=0, atol=1e-8)
    assert ((tiles >= 0) & (tiles < grid.tiles)).all()
    assert ((places >= -1e-9) & (places <= 224 + 1e-9)).all()


@given(layout=LAYOUTS, width_px=SIDES, height_px=SIDES, grid=GRIDS, data=st.data())
def test_a_box_of_whole_pixels_comes_back_as_the_same_box(
    layout: Callable[..., Layout], width_px: int, height_px: int, grid: Grid, data: st.DataObject
) -> None:
    left, top = data.draw(st.integers(0, width_px - 1)), data.draw(st.integers(0, height_px - 1))
    box = Box(
        left, top, data.draw(st.integers(left + 1, width_px)), data.draw(st.integers(top + 1, height_px))
    )
    found = layout(width_px, height_px, grid=grid, side_px=336)

    corners = found.to_image(found.to_canvas(np.array([[box.left, box.top], [box.right, box.bottom]])))

    assert Box(*np.rint(corners).astype(int).ravel().tolist()) == box


def test_padding_keeps_the_aspect_and_stretching_fills_the_canvas() -> None:
    full = stretched(400, 100, grid=Grid(2, 2), side_px=100)
    strip = padded(400, 100, grid=Grid(2, 2), side_px=100)

    assert full.inner == Box(0, 0, 200, 200)
    assert strip.inner == Box(0, 75, 200, 125)
    assert strip.shares(np.array([[0, 0], [400, 100]])).tolist() == [[0, 0.375], [1, 0.625]]


def test_tiles_are_cut_row_by_row_and_hold_the_pixels_where_they_were() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)

    tiles = cut(picture, stretched(96, 64, grid=Grid(3, 2), side_px=32))

    np.testing.assert_array_equal(tiles[1], picture[:32, 32:64])
    np.testing.assert_array_equal(tiles[3], picture[32:, :32])
    np.testing.assert_array_equal(merge(tiles, Grid(3, 2)), picture)


def test_a_padded_picture_stands_on_the_padding() -> None:
    tiles = cut(np.zeros((10, 40, 3), dtype=np.uint8), padded(40, 10, grid=Grid(2, 1), side_px=20), padding=9)

    canvas = merge(tiles, Grid(2, 1))
    assert (canvas[5:15] == 0).all()
    assert (canvas[:5] == 9).all()
    assert (canvas[15:] == 9).all()


def test_the_whole_at_low_resolution_is_the_grid_of_one() -> None:
    picture = np.full((30, 70, 3), 5, dtype=np.uint8)

    assert cut(picture, stretched(70, 30, grid=WHOLE, side_px=16)).shape == (1, 16, 16, 3)


def test_a_layout_of_another_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="the layout is of 70 x 30, the picture 30 x 70"):
        cut(np.zeros((70, 30, 3), dtype=np.uint8), stretched(70, 30, grid=WHOLE, side_px=16))


@given(grid=GRIDS, h=st.integers(1, 5), w=st.integers(1, 5), channels=st.integers(1, 3))
def test_a_map_that_is_split_and_merged_is_the_same_map(grid: Grid, h: int, w: int, channels: int) -> None:
    whole = np.arange(grid.rows * h * grid.columns * w * channels).reshape(
        grid.rows * h, grid.columns * w, channels
    )

    tiles = split(whole, grid)

    np.testing.assert_array_equal(merge(tiles, grid), whole)
    for row, column in np.ndindex(whole.shape[:2]):
        tile = row // h * grid.columns + column // w
        assert (tiles[tile, row % h, column % w] == whole[row, column]).all()


def test_maps_that_are_no_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="5 tiles are no grid of 2 x 2"):
        merge(np.zeros((5, 2, 2, 1)), Grid(2, 2))
    with pytest.raises(ValueError, match="3 x 4 cannot be cut"):
        split(np.zeros((4, 3, 1)), Grid(2, 2))


def test_tokens_are_those_of_the_whole_and_of_each_tile() -> None:
    of_224, of_336 = patch_count(224, 14), patch_count(336, 14)

    assert token_count(Grid(2, 2), overview=of_224, tile=of_224) == 1_280
    assert token_count(Grid(3, 2), overview=of_336, tile=of_336) == 4_032
    assert token_count(Grid(3, 2), overview=of_224, tile=of_336) == 256 + 6 * 576


def test_a_picture_of_too_many_tokens_is_refused_with_both_numbers() -> None:
    check_tokens(2_048, limit=2_048)

    with pytest.raises(TokenLimitError, match="4,032 tokens; at most 2,048") as refused:
        check_tokens(4_032, limit=2_048)

    assert (refused.value.count, refused.value.limit) == (4_032, 2_048)


@pytest.mark.parametrize("patch_px", [0, 13, 400])
def test_patches_that_do_not_fill_a_tile_are_refused(patch_px: int) -> None:
    with pytest.raises(ValueError, match="do not fill 336"):
        patch_count(336, patch_px)
