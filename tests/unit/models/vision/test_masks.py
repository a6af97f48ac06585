import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.vision.boxes import Box
from models.vision.masks import EmptyMaskError, area, bounding_box, decode, encode, rasterise

MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))
CORNER = st.tuples(st.floats(-3, 12), st.floats(-3, 12))


@given(mask=MASKS)
def test_run_lengths_and_back_is_the_same_mask(mask: np.ndarray) -> None:
    height_px, width_px = mask.shape

    np.testing.assert_array_equal(decode(encode(mask), width_px=width_px, height_px=height_px), mask)


@given(mask=MASKS)
def test_run_lengths_equal_a_naive_walk_down_the_columns(mask: np.ndarray) -> None:
    expected, value = [0], False
    for pixel in (mask[row, column] for column in range(mask.shape[1]) for row in range(mask.shape[0])):
        if pixel != value:
            expected.append(0)
            value = bool(pixel)
        expected[-1] += 1

    assert encode(mask) == tuple(expected)


def test_run_lengths_go_down_the_columns_and_start_outside() -> None:
    mask = np.array([[True, False], [True, True]])

    assert encode(mask) == (0, 2, 1, 1)


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ((3,), "sum to 3"),
        ((2, 5), "sum to 7"),
        ((6, -2), "negative"),
        ((), "sum to 0"),
        ((10**30,), "sum to"),
    ],
)
def test_run_lengths_that_do_not_fit_are_refused(counts: tuple[int, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        decode(counts, width_px=2, height_px=2)


def test_a_mask_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="0 x 5"):
        decode((), width_px=0, height_px=5)


@given(polygon=st.lists(CORNER, min_size=3, max_size=7))
def test_a_polygon_equals_counting_crossings_pixel_by_pixel(polygon: list[tuple[float, float]]) -> None:
    expected = np.zeros((8, 9), dtype=bool)
    for row in range(8):
        for column in range(9):
            x, y, crossings = column + 0.5, row + 0.5, 0
            for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                (ax, ay), (bx, by) = sorted([(x0, y0), (x1, y1)], key=lambda point: point[1])
                crossings += bool(ay <= y < by and ax + (y - ay) * (bx - ax) / (by - ay) <= x)
            expected[row, column] = crossings % 2 == 1

    np.testing.assert_array_equal(rasterise([np.array(polygon)], width_px=9, height_px=8), expected)


def test_a_polygon_on_pixel_edges_is_that_box() -> None:
    corners = np.array([[1.0, 2.0], [4.0, 2.0], [4.0, 3.0], [1.0, 3.0]])

    mask = rasterise([corners], width_px=6, height_px=5)

    assert bounding_box(mask) == Box(1, 2, 4, 3)
    assert area(mask) == 3


def test_a_polygon_within_another_cuts_a_hole() -> None:
    outer = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 5.0], [0.0, 5.0]])

    mask = rasterise([outer, outer[::-1] * 0.2 + 2], width_px=5, height_px=5)

    assert area(mask) == 24
    assert not mask[2, 2]


def test_two_polygons_that_share_an_edge_share_no_pixel() -> None:
    left = np.array([[0.0, 0.0], [4.5, 0.0], [2.5, 8.0], [0.0, 8.0]])
    right = np.array([[4.5, 0.0], [8.0, 0.0], [8.0, 8.0], [2.5, 8.0]])

    both = [rasterise([polygon], width_px=8, height_px=8) for polygon in (left, right)]

    assert not (both[0] & both[1]).any()
    assert (both[0] | both[1]).all()


@pytest.mark.parametrize("corners", [[[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, np.nan], [2.0, 2.0]]])
def test_what_is_no_polygon_is_refused(corners: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="corners"):
        rasterise([np.array(corners)], width_px=4, height_px=4)


@given(mask=MASKS)
def test_the_box_of_a_mask_is_tight(mask: np.ndarray) -> None:
    if not mask.any():
        with pytest.raises(EmptyMaskError):
            bounding_box(mask)
        return
    box = bounding_box(mask)
    inside = mask[box.rows, box.columns]
    assert area(inside) == area(mask)
    assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
