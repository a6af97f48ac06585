import numpy as np
import pytest

from models.vision.boxes import Box
from models.vision.local_encoder.reading import SIDE_PX, Reader, maps_of, tiles_of
from models.vision.tiles import WHOLE, Grid

CELLS = 4


def cells_of(tiles: np.ndarray) -> np.ndarray:
    """Return the mean colour of each of 4 x 4 parts of each tile."""
    parts = tiles.reshape(len(tiles), CELLS, SIDE_PX // CELLS, CELLS, SIDE_PX // CELLS, 3)
    means: np.ndarray = parts.mean((2, 4), dtype=np.float32)
    return means


def mean_read(local: np.ndarray, overview: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return what both maps hold in the cells that the points fall into, side by side."""
    found = []
    for each in (local[0], overview[0]):
        high, wide = each.shape[:2]
        column = (points[0, :, :, 0] * wide).astype(int)
        row = (points[0, :, :, 1] * high).astype(int)
        found.append(each[row, column].mean(1))
    return np.concatenate(found, axis=-1)[None]


def ramp(width_px: int, height_px: int) -> np.ndarray:
    x = np.broadcast_to((np.arange(width_px) + 0.5) / width_px * 255, (height_px, width_px))
    y = np.broadcast_to(((np.arange(height_px) + 0.5) / height_px * 255)[:, None], (height_px, width_px))
    return np.stack([x, y, np.zeros_like(x)], axis=-1).round().astype(np.uint8)


READER = Reader(cells_of, mean_read)


@pytest.mark.parametrize(("width_px", "height_px"), [(900, 450), (450, 900), (448, 448), (200, 150)])
@pytest.mark.parametrize("grid", [None, WHOLE, Grid(2, 2), Grid(3, 1)])
def test_a_region_is_read_where_it_is(width_px: int, height_px: int, grid: Grid | None) -> None:
    boxes = [Box(0, 0, width_px // 2, height_px // 2), Box(width_px // 2, 0, width_px, height_px // 2)]

    read = READER.read(ramp(width_px, height_px), boxes, grid=grid)

    np.testing.assert_allclose(read[:, [0, 1]], [[64, 64], [191, 64]], atol=2)
    np.testing.assert_allclose(read[:, [3, 4]], [[64, 64], [191, 64]], atol=2)


def test_the_grid_is_the_one_that_keeps_most_pixels_unless_it_is_said() -> None:
    assert READER.encode(ramp(900, 450)).local.shape == (CELLS * 2, CELLS * 3, 3)
    assert READER.encode(ramp(900, 450), Grid(2, 2)).local.shape == (CELLS * 2, CELLS * 2, 3)


def test_a_single_tile_is_the_whole_image_and_is_encoded_once() -> None:
    image = ramp(200, 150)

    assert len(tiles_of(image, WHOLE)) == 1
    maps = READER.encode(image)
    np.testing.assert_array_equal(maps.local, maps.overview)


def test_the_last_of_the_tiles_is_the_whole_image() -> None:
    tiles = tiles_of(ramp(448, 448), Grid(2, 2))

    assert len(tiles) == 5
    np.testing.assert_allclose(tiles[:4].mean((0, 1, 2)), tiles[4].mean((0, 1)), atol=1)
    assert maps_of(cells_of(tiles), Grid(2, 2)).overview.shape == (CELLS, CELLS, 3)


def test_a_mask_takes_part_of_the_box() -> None:
    mask = np.zeros((448, 448), dtype=bool)
    mask[:, :224] = True

    (read,) = READER.read(ramp(448, 448), [Box(0, 0, 224, 448)], [mask])

    np.testing.assert_allclose(read[:2], [64, 128], atol=2)


def test_as_many_masks_as_boxes_are_demanded() -> None:
    with pytest.raises(ValueError, match="zip"):
        READER.read(ramp(448, 448), [Box(0, 0, 9, 9)], [None, None])
