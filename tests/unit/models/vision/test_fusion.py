import math
from collections.abc import Callable

import numpy as np
import pytest

from models.vision.fusion import Linear, Projector, fuse, upsampling
from models.vision.tiles import PAPER_GRIDS, WHOLE, Grid, Layout, cut, merge, padded, stretched

SIDE_PX = 32
CELLS = 4


def _linear(out: int, inside: int, seed: int = 0) -> Linear:
    random = np.random.default_rng(seed)
    weight = random.standard_normal((out, inside), dtype=np.float32)
    return Linear(weight, random.standard_normal(out, dtype=np.float32))


def _projector(inside: int, out: int, seed: int = 0) -> Projector:
    return Projector(_linear(out, inside, seed), _linear(out, out, seed + 1))


def _pooled(tiles: np.ndarray) -> np.ndarray:
    """Return an encoder's maps whose features are what the encoder sees: the mean of each cell."""
    count, side, _, channels = tiles.shape
    cell = side // CELLS
    apart = tiles.reshape(count, CELLS, cell, CELLS, cell, channels).astype(np.float64)
    means: np.ndarray = apart.mean(axis=(2, 4))
    return means


def test_constant_maps_become_the_sum_of_what_their_projectors_make_of_them() -> None:
    coarse, fine = _projector(3, 5), _projector(2, 5, seed=7)
    layout = stretched(90, 60, grid=Grid(3, 2), side_px=SIDE_PX)
    by = upsampling(
        layout, stretched(90, 60, grid=WHOLE, side_px=SIDE_PX), local_cells=(8, 12), global_cells=(4, 4)
    )

    fused = fuse(
        np.ones((4, 4, 3)), np.ones((8, 12, 2)), by=by, global_projector=coarse, local_projector=fine
    )

    np.testing.assert_allclose(
        fused, np.broadcast_to(coarse(np.ones(3)) + fine(np.ones(2)), fused.shape), rtol=1e-6
    )


def test_a_projector_is_two_linear_maps_with_the_exact_gelu_between() -> None:
    projector = _projector(3, 4)
    value = np.array([0.3, -1.2, 0.7])

    hidden = [
        sum(w * v for w, v in zip(row, value, strict=True)) + b
        for row, b in zip(projector.first.weight, projector.first.bias, strict=True)
    ]
    gelu = [h * 0.5 * (1 + math.erf(h / math.sqrt(2))) for h in hidden]
    expected = projector.second.weight @ np.array(gelu) + projector.second.bias

    np.testing.assert_allclose(projector(value), expected, rtol=1e-6)


@pytest.mark.parametrize("grid", PAPER_GRIDS)
@pytest.mark.parametrize("layout", [stretched, padded])
def test_a_ramp_stays_straight_where_tiles_join(grid: Grid, layout: Callable[..., Layout]) -> None:
    width_px, height_px = grid.columns * SIDE_PX, grid.rows * SIDE_PX
    columns = np.broadcast_to(np.arange(width_px, dtype=np.uint8), (height_px, width_px))
    rows = np.broadcast_to(np.arange(height_px, dtype=np.uint8)[:, None], (height_px, width_px))
    picture = np.stack((columns, rows, rows), axis=-1)

    merged = merge(_pooled(cut(picture, layout(width_px, height_px, grid=grid, side_px=SIDE_PX))), grid)

    for axis, channel in ((1, 0), (0, 1)):
        steps = np.diff(merged[:, :, channel], axis=axis)
        np.testing.assert_allclose(steps, SIDE_PX / CELLS)


@pytest.mark.parametrize("grid", PAPER_GRIDS)
def test_the_wholes_ramp_is_read_at_the_same_pixel_in_whatever_mode(grid: Grid) -> None:
    width_px, height_px = 300, 200
    cells = (grid.rows * CELLS, grid.columns * CELLS)
    y, x = np.mgrid[0:8, 0:8] + 0.5
    ends = np.array([[0, 0], [width_px, height_px]])
    for whole_layout in (stretched, padded):
        overview = whole_layout(width_px, height_px, grid=WHOLE, side_px=SIDE_PX)
        ramp = overview.to_image(np.stack((x, y), axis=-1).reshape(-1, 2) / 8 * SIDE_PX).reshape(8, 8, 2)
        middles = ramp.reshape(-1, 2)  # pixels that the cells' middles lie on
        for tile_layout in (stretched, padded):
            layout = tile_layout(width_px, height_px, grid=grid, side_px=SIDE_PX)
            by = upsampling(layout, overview, local_cells=cells, global_cells=(8, 8))

            y_cells, x_cells = np.mgrid[0 : cells[0], 0 : cells[1]] + 0.5
            canvas = np.stack((x_cells / cells[1], y_cells / cells[0]), axis=-1) * layout.canvas_px
            there = layout.to_image(canvas.reshape(-1, 2)).reshape(*cells, 2)
            expected = np.clip(there, middles.min(axis=0), middles.max(axis=0))
            np.testing.assert_allclose(by(ramp), expected, atol=1e-4 * ends.max())


def test_the_whole_in_the_size_of_one_tile_is_itself() -> None:
    layout = stretched(50, 40, grid=WHOLE, side_px=SIDE_PX)
    by = upsampling(layout, layout, local_cells=(3, 5), global_cells=(3, 5))

    np.testing.assert_array_equal(by.rows, np.eye(3))
    np.testing.assert_array_equal(by.columns, np.eye(5))
