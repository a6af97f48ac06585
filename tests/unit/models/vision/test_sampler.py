from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.boxes import Box
from models.vision.masks import EmptyMaskError
from models.vision.regions import Mask, Point, Polygon, Region
from models.vision.sampler import (
    PUBLISHED,
    SamplerSettings,
    Stage,
    geometry,
    read,
    sample,
)
from models.vision.tiles import WHOLE, Grid, Layout, padded, select_grid, stretched
from tests.unit.models.vision.regions import CELLS, HEIGHT_PX, LAYOUT, NINE, REGIONS, SMALL, WIDTH_PX
from tests.unit.models.vision.test_sampler_published import _same, _weights

COARSE = SamplerSettings(points=64, stages=(Stage(16, 8), Stage(4, 8)))


def _pixels(region: Region) -> np.ndarray:
    """Return the middles of a region's pixels, from a mask drawn here."""
    mask: np.ndarray = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    if isinstance(region, Box):
        mask[region.rows, region.columns] = True
    elif isinstance(region, Point):
        x, y = int(region.x), int(region.y)
        mask[y - 5 : y + 6, x - 5 : x + 6] = True
    elif isinstance(region, Polygon):
        (a, b, c) = region.outlines[0]
        y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX] + 0.5
        sides = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        mask[:] = (np.array(sides) > 0).all(axis=0)
    else:
        mask = region.pixels
    return np.argwhere(mask)[:, ::-1] + 0.5


def _ramp(layout: Layout, cells: tuple[int, int]) -> np.ndarray:
    """Return a map whose features are where the picture's pixels lie: x, then y."""
    rows, columns = np.mgrid[0 : cells[0], 0 : cells[1]] + 0.5
    canvas = np.stack((columns / cells[1], rows / cells[0]), axis=-1) * layout.canvas_px
    return layout.to_image(canvas.reshape(-1, 2)).reshape(*cells, 2)


@pytest.mark.parametrize("name", NINE)
@pytest.mark.parametrize("layout", [stretched, padded])
def test_a_ramp_is_read_at_the_regions_centroid_in_pictures_that_are_not_square(
    name: str, layout: Callable[..., Layout]
) -> None:
    of_tiles = layout(WIDTH_PX, HEIGHT_PX, grid=Grid(3, 2), side_px=64)
    cell_px = np.abs(of_tiles.to_image(np.array([[16, 16]])) - of_tiles.to_image(np.array([[0, 0]])))[0]

    where = geometry([NINE[name]], of_tiles)
    mean = read(_ramp(of_tiles, CELLS), where.points)[0].mean(axis=0)

    off = np.abs(mean - _pixels(NINE[name]).mean(axis=0))
    assert (off <= cell_px).all(), (off, cell_px)


@pytest.mark.parametrize("name", ["box", "point", "one pixel", "polygon", "disc at the border"])
def test_swapped_axes_read_elsewhere(name: str) -> None:
    where = geometry([NINE[name]], LAYOUT)
    mean = read(_ramp(LAYOUT, CELLS), where.points, legacy_transpose=True)[0].mean(axis=0)

    centroid = _pixels(NINE[name]).mean(axis=0)
    assert (np.abs(mean - centroid) > np.array([WIDTH_PX / 12, HEIGHT_PX / 8])).any()
    # which is where the released code reads: at the centroid, reflected at the diagonal
    swapped = centroid[::-1] / (HEIGHT_PX, WIDTH_PX) * (WIDTH_PX, HEIGHT_PX)
    assert (np.abs(mean - swapped) <= np.array([WIDTH_PX / 12, HEIGHT_PX / 8])).all()


@given(
    width_px=st.integers(20, 3_000),
    height_px=st.integers(20, 3_000),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_box_anywhere_is_read_within_one_cell_of_its_middle(
    width_px: int, height_px: int, corners: tuple[float, float, float, float]
) -> None:
    grid = select_grid(width_px, height_px, side_px=64)
    layout = stretched(width_px, height_px, grid=grid, side_px=64)
    (left, right), (top, bottom) = sorted(corners[:2]), sorted(corners[2:])
    box = Box.around(left * width_px, top * height_px, right * width_px, bottom * height_px)
    box = Box(box.left, box.top, max(box.right, box.left + 1), max(box.bottom, box.top + 1))
    box = box.within(width_px, height_px) if box.left < width_px and box.top < height_px else Box(0, 0, 1, 1)
    cells = (grid.rows * 8, grid.columns * 8)

    mean = read(_ramp(layout, cells), geometry([box], layout, COARSE).points)[0].mean(axis=0)

    middle = np.array([box.left + box.right, box.top + box.bottom]) / 2
    assert (np.abs(mean - middle) <= (width_px / cells[1], height_px / cells[0])).all()


def test_features_are_interpolated_between_the_middles_of_cells() -> None:
    features = np.array([[[0.0], [1.0], [4.0]], [[10.0], [11.0], [14.0]]])
    points = np.array([[1 / 6, 1 / 4], [1 / 3, 1 / 2], [5 / 6, 3 / 4], [0, 1], [1, 0]])

    assert read(features, points)[:, 0] == pytest.approx([0, 5.5, 14, 10, 4])


@pytest.mark.parametrize("name", NINE)
def test_points_lie_in_their_region_as_often_as_it_has_pixels(name: str) -> None:
    pixels = _pixels(NINE[name])
    places = geometry([NINE[name]], LAYOUT).points[0].astype(np.float64) * LAYOUT.canvas_px

    taken = np.floor(LAYOUT.to_image(places) + 1e-3) + 0.5

    own = {tuple(pixel) for pixel in pixels}
    assert {tuple(pixel) for pixel in taken} <= own
    distinct = len(np.unique(taken, axis=0))
    assert distinct == min(len(own), PUBLISHED.points)
    assert (np.lexsort((taken[:, 0], taken[:, 1])) == np.arange(len(taken))).all()


@pytest.mark.parametrize("width", range(1, 60))
def test_no_width_keeps_step_with_the_points(width: int) -> None:
    layout = stretched(width, 413, grid=WHOLE, side_px=64)

    points = geometry([Box(0, 0, width, 146)], layout, COARSE).points[0]

    assert points[:, 0].mean() == pytest.approx(0.5, abs=0.06)


def test_points_are_spread_over_all_of_a_region() -> None:
    points = geometry([Box(0, 0, WIDTH_PX, HEIGHT_PX)], LAYOUT, COARSE).points[0]

    sixteenths = np.floor(points * 4).astype(int)
    counts = np.bincount(sixteenths[:, 1] * 4 + sixteenths[:, 0], minlength=16)
    assert counts.min() >= 2  # four each, were they a lattice
    assert counts.max() <= 6


def test_both_parts_of_a_region_are_read_in_proportion() -> None:
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    mask[:30, :30] = True
    mask[-60:, -30:] = True

    points = geometry([Mask(mask)], LAYOUT).points[0]

    assert np.mean(points[:, 0] > 0.5) == pytest.approx(2 / 3, abs=0.01)


def test_the_same_region_is_read_alike_however_it_is_given_and_however_often() -> None:
    box = Box(33, 44, 150, 205)
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    mask[box.rows, box.columns] = True
    corners = np.array([[33.0, 44.0], [150.0, 44.0], [150.0, 205.0], [33.0, 205.0]])
    first = geometry([box], LAYOUT)

    for other in (box, Mask(mask), Polygon((corners,))):
        assert _same(first, geometry([other], LAYOUT))


@pytest.mark.parametrize("settings", [SMALL, PUBLISHED])
def test_regions_together_equal_each_alone(settings: SamplerSettings) -> None:
    regions = REGIONS * 5  # more than are handled at once
    random = np.random.default_rng(0)
    features = random.standard_normal((*CELLS, 6), dtype=np.float32)
    weights = _weights(6, 4, settings)

    together = geometry(regions, LAYOUT, settings)
    vectors = sample(features, together, weights, settings)

    for place, region in enumerate(regions[:11]):
        alone = geometry([region], LAYOUT, settings)
        np.testing.assert_array_equal(together.points[place], alone.points[0])
        for both, one in zip(together.indices, alone.indices, strict=True):
            np.testing.assert_array_equal(both[place], one[0])
        np.testing.assert_allclose(
            vectors[place], sample(features, alone, weights, settings)[0], rtol=1e-5, atol=1e-5
        )
    np.testing.assert_allclose(vectors[9:18], vectors[:9], rtol=1e-5, atol=1e-5)


def test_no_regions_are_no_vectors() -> None:
    where = geometry([], LAYOUT, SMALL)

    assert sample(np.zeros((*CELLS, 6), dtype=np.float32), where, _weights(6, 4, SMALL), SMALL).shape == (
        0,
        4,
    )


@pytest.mark.parametrize("empty", [Mask(np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)), Box(4, 4, 4, 9)])
def test_a_region_without_pixels_is_refused_by_its_own_error(empty: Region) -> None:
    with pytest.raises(EmptyMaskError):
        geometry([Box(0, 0, 5, 5), empty], LAYOUT)


def test_a_mask_of_another_size_than_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="the mask is 360 x 640, the image 640 x 360"):
        geometry([Mask(np.ones((WIDTH_PX, HEIGHT_PX), dtype=bool))], LAYOUT)
