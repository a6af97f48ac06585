"""Masks as polygons: exactly their pixels while few points suffice; never outside, and never many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from models.vision import masks
from models.vision.polygons import polygons

MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))
PLENTY = 100_000


def outlined(mask: np.ndarray, most_points: int = PLENTY) -> list[np.ndarray]:
    return list(polygons(masks.encode(mask), height_px=mask.shape[0], most_points=most_points))


def filled(drawn: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Return the pixels that are in any of the polygons."""
    height_px, width_px = shape
    inside = np.zeros(shape, dtype=np.bool_)
    for corners in drawn:
        inside |= masks.rasterise([corners.astype(np.float64)], width_px=width_px, height_px=height_px)
    return inside


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))


def wavy(size: int, radius: float, *, waves: int, depth: float, hole: float) -> np.ndarray:
    """Return a disc whose edge goes in and out, around a round hole, both as shares of the radius."""
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    distance, angle = np.hypot(x, y), np.arctan2(y, x)
    edge = radius * (1 - depth * (1 + np.cos(waves * angle)) / 2)
    inside: np.ndarray = (distance <= edge) & (distance > radius * hole)
    return inside


@given(mask=MASKS)
def test_polygons_of_enough_points_hold_the_pixels_of_the_mask_and_no_others(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(filled(outlined(mask), mask.shape), mask)


@given(mask=MASKS)
def test_cocos_own_code_draws_the_same_mask_from_them(mask: np.ndarray) -> None:
    drawn = outlined(mask)
    if drawn:
        height_px, width_px = mask.shape
        flat = [corners.ravel().astype(np.float64).tolist() for corners in drawn]
        merged = coco.merge(coco.frPyObjects(flat, height_px, width_px))
        assert merged["counts"] == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]


@given(mask=MASKS)
def test_the_areas_of_the_polygons_are_those_of_the_parts_less_their_holes(mask: np.ndarray) -> None:
    def area(corners: np.ndarray) -> float:
        x, y = corners.T
        return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2  # positive: clockwise as it is seen

    areas = [area(corners) for corners in outlined(mask)]

    assert all(each > 0 for each in areas)
    assert sum(areas) == masks.area(mask)


@given(
    mask=arrays.arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20))), most=st.integers(4, 80)
)
def test_points_are_bounded_and_no_polygon_is_less_than_a_triangle_or_outside(
    mask: np.ndarray, most: int
) -> None:
    drawn = outlined(mask, most)

    assert bool(drawn) == mask.any()
    assert sum(map(len, drawn)) <= most
    for corners in drawn:
        assert len(np.unique(corners, axis=0)) >= 3
        assert corners.min() >= 0
        assert (corners.max(axis=0) <= mask.shape[::-1]).all()


@settings(max_examples=25)
@given(
    radius=st.floats(40, 290),
    waves=st.integers(0, 7),
    depth=st.floats(0, 0.4),
    hole=st.sampled_from([0.0, 0.2, 0.5]),
)
def test_smooth_shapes_of_500_points_are_the_mask_to_a_twentieth(
    radius: float, waves: int, depth: float, hole: float
) -> None:
    mask = wavy(600, radius, waves=waves, depth=depth, hole=hole)

    drawn = outlined(mask, 500)

    assert sum(map(len, drawn)) <= 500
    assert overlap(filled(drawn, mask.shape), mask) >= 0.95


@pytest.mark.parametrize(("most", "least"), [(200, 0.99), (50, 0.97), (16, 0.85)])
def test_fewer_points_are_spent_where_the_outline_bends(most: int, least: float) -> None:
    mask = wavy(600, 280, waves=3, depth=0.2, hole=0.3)

    drawn = outlined(mask, most)

    assert most - 1 <= sum(map(len, drawn)) <= most
    assert overlap(filled(drawn, mask.shape), mask) >= least


def test_an_empty_mask_has_no_polygon() -> None:
    assert outlined(np.zeros((3, 4), dtype=np.bool_)) == []
    assert polygons((), height_px=3, most_points=10) == ()


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(1, 2), slice(2, 3)),  # one pixel
        (slice(1, 2), slice(0, 5)),  # a line from edge to edge
        (slice(0, 4), slice(3, 4)),
        (slice(0, 1), slice(0, 1)),  # the corners of the picture
        (slice(3, 4), slice(4, 5)),
        (slice(0, 4), slice(0, 5)),  # all of it
    ],
)
def test_a_pixel_a_line_and_the_whole_picture_are_rectangles_to_the_edge(rows: slice, columns: slice) -> None:
    mask = np.zeros((4, 5), dtype=np.bool_)
    mask[rows, columns] = True

    (corners,) = outlined(mask)

    left, top, right, bottom = columns.start, rows.start, columns.stop, rows.stop
    assert corners.tolist() == [[left, top], [right, top], [right, bottom], [left, bottom]]


def test_a_hole_is_reached_by_a_slit_and_what_lies_in_it_is_a_part() -> None:
    mask = np.ones((7, 7), dtype=np.bool_)
    mask[1:6, 1:6] = False
    mask[3, 3] = True

    around, within = outlined(mask)

    assert len(around) == 4 + 4 + 2
    assert [1, 1] in around.tolist()
    assert within.tolist() == [[3, 3], [4, 3], [4, 4], [3, 4]]
    np.testing.assert_array_equal(filled([around, within], mask.shape), mask)


def test_a_hole_belongs_to_the_part_that_it_is_in_however_deep_that_lies() -> None:
    y, x = np.mgrid[:13, :13]
    mask = np.maximum(abs(y - 6), abs(x - 6)) % 2 == 0  # frames within frames, around a pixel

    drawn = outlined(mask)

    assert [len(corners) for corners in drawn] == [10, 10, 10, 4]
    np.testing.assert_array_equal(filled(drawn, mask.shape), mask)


def test_pixels_that_touch_at_a_corner_are_two_parts() -> None:
    assert [len(corners) for corners in outlined(np.eye(2, dtype=np.bool_))] == [4, 4]
    assert [len(corners) for corners in outlined(np.eye(2, dtype=np.bool_)[::-1])] == [4, 4]


def test_every_part_has_its_own_hole_when_points_are_few() -> None:
    ring = wavy(200, 95, waves=0, depth=0, hole=0.5)
    mask = np.hstack([ring, ring[:, 5:], ring])

    drawn = outlined(mask, 120)

    assert len(drawn) == 3
    assert sum(map(len, drawn)) == 120
    assert [filled([corners], mask.shape)[100].sum() for corners in drawn] == pytest.approx([95] * 3, abs=3)
    assert overlap(filled(drawn, mask.shape), mask) >= 0.95


def test_of_too_many_specks_the_largest_stay() -> None:
    mask = np.zeros((60, 400), dtype=np.bool_)
    mask[::2, ::2] = True  # 6,000 pixels, none beside another
    mask[10:50, 300:390] = True
    mask[20:40, 100:130] = True

    first, second, *specks = outlined(mask, 100)

    assert len(specks) <= 50
    assert filled([first], mask.shape)[12:48, 302:388].all()
    assert filled([second], mask.shape)[22:38, 102:128].all()
    assert sum(map(len, (first, second, *specks))) <= 100


def test_runs_of_no_pixels_part_nothing() -> None:
    whole = polygons((3, 2, 0, 4, 0, 0, 3), height_px=4, most_points=PLENTY)

    assert [corners.tolist() for corners in whole] == [
        corners.tolist() for corners in polygons((3, 6, 3), height_px=4, most_points=PLENTY)
    ]


def test_a_mask_of_noise_takes_time_by_its_runs_and_is_bounded() -> None:
    mask = np.random.default_rng(0).random((400, 400)) < 0.5

    drawn = outlined(mask, 500)

    assert 250 <= sum(map(len, drawn)) <= 500


def test_a_thin_comb_keeps_to_its_points() -> None:
    mask = np.zeros((101, 200), dtype=np.bool_)
    mask[:, ::2] = True
    mask[:3] = True

    assert sum(map(len, outlined(mask, 100))) == 100
    np.testing.assert_array_equal(filled(outlined(mask, 500), mask.shape), mask)
