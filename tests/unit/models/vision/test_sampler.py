from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.boxes import Box
from models.vision.fusion import Linear
from models.vision.masks import EmptyMaskError
from models.vision.regions import Mask, Point, Polygon, Region
from models.vision.sampler import (
    PUBLISHED,
    Geometry,
    SamplerSettings,
    SamplerWeights,
    Stage,
    StageWeights,
    geometry,
    read,
    sample,
)
from models.vision.tiles import WHOLE, Grid, Layout, padded, select_grid, stretched

SMALL = SamplerSettings(points=24, stages=(Stage(8, 5), Stage(3, 4)))
COARSE = SamplerSettings(points=64, stages=(Stage(16, 8), Stage(4, 8)))
WIDTH_PX, HEIGHT_PX = 640, 360
LAYOUT = stretched(WIDTH_PX, HEIGHT_PX, grid=Grid(3, 2), side_px=64)
CELLS = (8, 12)  # rows and columns: four a tile


def _disc(x: float, y: float, radius: float) -> Mask:
    rows, columns = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX] + 0.5
    return Mask((columns - x) ** 2 + (rows - y) ** 2 < radius**2)


def _ring_and_speck() -> Mask:
    pixels = _disc(200, 200, 60).pixels & ~_disc(200, 200, 30).pixels
    pixels[10, 600] = True
    return Mask(pixels)


NINE: dict[str, Region] = {
    "box": Box(500, 20, 600, 120),
    "thin box": Box(10, 300, 500, 303),
    "whole picture": Box(0, 0, WIDTH_PX, HEIGHT_PX),
    "point": Point(543.0, 71.0),
    "one pixel": Box(WIDTH_PX - 1, 0, WIDTH_PX, 1),
    "polygon": Polygon((np.array([[400.0, 40.0], [620.0, 60.0], [500.0, 200.0]]),)),
    "disc at the border": _disc(0, 350, 80),
    "ring and a speck apart": _ring_and_speck(),
    "two parts": Mask(_disc(100, 60, 40).pixels | _disc(560, 300, 50).pixels),
}
REGIONS = tuple(NINE.values())


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


def _weights(dim: int, out: int, settings: SamplerSettings, seed: int = 0) -> SamplerWeights:
    random = np.random.default_rng(seed)

    def linear(rows: int, columns: int) -> Linear:
        weight = random.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)
        return Linear(weight, random.standard_normal(rows, dtype=np.float32))

    def stage() -> StageWeights:
        norm = random.standard_normal((2, dim), dtype=np.float32)
        return StageWeights(linear(dim + 2, dim + 2), linear(dim, 2 * (dim + 2)), norm[0], norm[1])

    return SamplerWeights((stage(), stage()), linear(dim, settings.stages[1].anchors * dim), linear(out, dim))


def _zeros(*shape: int) -> np.ndarray:
    """Return zeros that take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def _same(one: Geometry, other: Geometry) -> bool:
    arrays = zip((one.points, *one.indices), (other.points, *other.indices), strict=True)
    return all(np.array_equal(a, b) for a, b in arrays)


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


def test_anchors_on_a_line_are_spread_at_least_half_as_well_as_can_be() -> None:
    settings = SamplerSettings(points=100, stages=(Stage(10, 3), Stage(4, 2)))
    layout = stretched(100, 1, grid=WHOLE, side_px=64)

    where = geometry([Box(0, 0, 100, 1)], layout, settings)

    for chosen, best in ((where.anchors[0][0], 99 / 9), (where.anchors[0][0][where.anchors[1][0]], 99 / 3)):
        assert np.diff(chosen).min() >= best / 2
    assert {0, 99} <= set(where.anchors[0][0].tolist())


@pytest.mark.parametrize("name", NINE)
def test_anchors_are_those_that_a_plain_search_for_the_farthest_finds(name: str) -> None:
    where = geometry([NINE[name]], LAYOUT, SMALL)
    places = np.rint(LAYOUT.shares(_unrounded(where)) * 65_536).astype(int)

    middle = [sum(int(p[axis]) for p in places) for axis in (0, 1)]
    count = len(places)
    chosen = [
        max(range(count), key=lambda i: sum((count * int(places[i][a]) - middle[a]) ** 2 for a in (0, 1)))
    ]
    while len(chosen) < 8:
        rest = [i for i in range(count) if i not in chosen]
        chosen.append(
            max(
                rest,
                key=lambda i: min(
                    sum((int(places[i][a]) - int(places[j][a])) ** 2 for a in (0, 1)) for j in chosen
                ),
            )
        )

    assert where.anchors[0][0].tolist() == sorted(chosen)


@pytest.mark.parametrize("name", NINE)
def test_neighbours_are_those_that_comparing_all_distances_finds(name: str) -> None:
    where = geometry([NINE[name]], LAYOUT, SMALL)
    places = np.rint(LAYOUT.shares(_unrounded(where)) * 65_536).astype(int)

    for anchor, neighbours in zip(where.anchors[0][0], where.neighbours[0][0], strict=True):
        distance = ((places - places[anchor]) ** 2).sum(axis=1)
        assert neighbours.tolist() == sorted(np.argsort(distance, kind="stable")[:5].tolist())


def _unrounded(where: Geometry) -> np.ndarray:
    """Return the pixels' middles that points stand for, before they became numbers of 32 bits."""
    canvas = where.points[0].astype(np.float64) * LAYOUT.canvas_px
    return np.floor(LAYOUT.to_image(canvas) + 1e-3) + 0.5


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_the_sampler_does_step_by_step_what_was_published(pool: Literal["max", "mean"]) -> None:
    settings = SamplerSettings(points=24, stages=(Stage(8, 5), Stage(3, 4)), pool=pool)
    weights = _weights(6, 4, settings)
    features = np.random.default_rng(1).standard_normal((*CELLS, 6), dtype=np.float32)
    where = geometry([NINE["polygon"]], LAYOUT, settings)

    values, places = list(read(features, where.points[0])), list(where.points[0])
    for stage, anchors, neighbours in zip(weights.stages, where.anchors, where.neighbours, strict=True):
        pooled = []
        for anchor, near in zip(anchors[0], neighbours[0], strict=True):
            own = np.concatenate((values[anchor], places[anchor]))
            found = []
            for one in near:
                difference = np.concatenate((values[one], places[one])) - own
                mapped = stage.difference.weight @ difference + stage.difference.bias
                merged = stage.merge.weight @ np.concatenate((mapped, own)) + stage.merge.bias
                positive = np.maximum(merged, 0)
                unit = (positive - positive.mean()) / np.sqrt(positive.var() + 1e-5)
                found.append(unit * stage.norm_scale + stage.norm_bias)
            pooled.append(np.max(found, axis=0) if pool == "max" else np.mean(found, axis=0))
        values, places = pooled, [places[anchor] for anchor in anchors[0]]
    flat = weights.flatten.weight @ np.concatenate(values) + weights.flatten.bias
    expected = weights.output.weight @ flat + weights.output.bias

    np.testing.assert_allclose(sample(features, where, weights, settings)[0], expected, rtol=1e-4, atol=1e-5)


def test_with_identity_weights_and_means_a_constant_map_gives_what_a_hand_computes() -> None:
    settings = SamplerSettings(points=24, stages=(Stage(8, 5), Stage(2, 4)), pool="mean")
    eye, nothing = np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32)
    own_feature = np.zeros((2, 8), dtype=np.float32)
    own_feature[:, 4:6] = eye
    stage = StageWeights(
        Linear(np.eye(4, dtype=np.float32), np.zeros(4, dtype=np.float32)),
        Linear(own_feature, nothing),
        2 * np.ones(2, dtype=np.float32),
        np.array([3, 0], dtype=np.float32),
    )
    both = Linear(np.concatenate((eye, eye), axis=1), nothing)
    features = np.broadcast_to(np.array([5, 1], dtype=np.float32), (*CELLS, 2))

    found = sample(
        features,
        geometry([NINE["box"]], LAYOUT, settings),
        SamplerWeights((stage, stage), both, Linear(eye, nothing)),
        settings,
    )

    # (5, 1) normalised is (1, -1), doubled and moved (5, -2); that, cut at 0, becomes the same; two anchors
    np.testing.assert_allclose(found, [[10, -4]], atol=1e-4)


@pytest.mark.parametrize(("dim", "out", "parameters"), [(1024, 4096, 44_069_900), (64, 128, 165_580)])
def test_the_weights_are_as_many_as_published(dim: int, out: int, parameters: int) -> None:
    difference = Linear(_zeros(dim + 2, dim + 2), _zeros(dim + 2))
    merge = Linear(_zeros(dim, 2 * (dim + 2)), _zeros(dim))
    stage = StageWeights(difference, merge, _zeros(dim), _zeros(dim))
    anchors = PUBLISHED.stages[-1].anchors
    flatten = Linear(_zeros(dim, anchors * dim), _zeros(dim))

    weights = SamplerWeights((stage, stage), flatten, Linear(_zeros(out, dim), _zeros(out)))

    assert weights.size == parameters


@pytest.mark.parametrize(
    ("points", "stages"),
    [
        (512, (Stage(513, 24), Stage(32, 24))),
        (512, (Stage(128, 24), Stage(129, 24))),
        (16, (Stage(8, 24), Stage(4, 4))),
        (512, (Stage(128, 0), Stage(32, 24))),
        (5_000, (Stage(128, 24), Stage(32, 24))),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(points: int, stages: tuple[Stage, Stage]) -> None:
    with pytest.raises(ValueError, match=r"cannot be taken from|at most 4,096"):
        SamplerSettings(points=points, stages=stages)
