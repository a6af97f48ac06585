import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.vision.boxes import Box
from models.vision.masks import EmptyMaskError
from models.vision.regions import Mask, Point, Polygon, Region, bounds, pixels

ALL = 1 << 30
MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))


def _drawn(region: Region, width_px: int, height_px: int, at_most: int = ALL) -> np.ndarray:
    """Return a region's pixels as a mask."""
    found = pixels(region, width_px=width_px, height_px=height_px, at_most=at_most)
    mask = np.zeros((height_px, width_px), dtype=bool)
    mask[found[:, 1], found[:, 0]] = True
    return mask


@given(mask=MASKS)
def test_a_mask_has_its_own_pixels_row_by_row(mask: np.ndarray) -> None:
    height_px, width_px = mask.shape
    if not mask.any():
        with pytest.raises(EmptyMaskError):
            pixels(Mask(mask), width_px=width_px, height_px=height_px, at_most=ALL)
        return

    found = pixels(Mask(mask), width_px=width_px, height_px=height_px, at_most=ALL)

    np.testing.assert_array_equal(found, np.argwhere(mask)[:, ::-1])


def test_a_box_is_cut_at_the_border() -> None:
    expected = np.zeros((6, 8), dtype=bool)
    expected[:2, 5:] = True

    np.testing.assert_array_equal(_drawn(Box(5, -3, 20, 2), 8, 6), expected)


def test_a_point_is_the_square_of_five_pixels_around_its_own() -> None:
    expected = np.zeros((30, 40), dtype=bool)
    expected[7:18, 15:26] = True

    np.testing.assert_array_equal(_drawn(Point(20.9, 12.0), 40, 30), expected)
    assert bounds(Point(40.0, 30.0), width_px=40, height_px=30) == Box(35, 25, 40, 30)


def test_a_polygon_with_a_hole_and_a_part_apart_has_the_pixels_of_both_and_not_of_the_hole() -> None:
    ring = np.array([[2.0, 2.0], [9.0, 2.0], [9.0, 9.0], [2.0, 9.0]])
    hole = np.array([[4.0, 4.0], [6.0, 4.0], [6.0, 7.0], [4.0, 7.0]])
    apart = hole + np.array([10.0, 0.0])
    expected = np.zeros((12, 20), dtype=bool)
    expected[2:9, 2:9] = True
    expected[4:7, 4:6] = False
    expected[4:7, 14:16] = True

    np.testing.assert_array_equal(_drawn(Polygon((ring, hole, apart)), 20, 12), expected)


@pytest.mark.parametrize(
    "region",
    [
        Box(3, 3, 3, 9),
        Box(50, 0, 60, 5),
        Box(6, 6, 2, 9),
        Point(-20.0, 4.0),
        Polygon((np.array([[1.1, 1.1], [1.2, 1.1], [1.2, 1.2]]),)),
        Polygon((np.array([[-9.0, 1.0], [-2.0, 1.0], [-2.0, 5.0]]),)),
        Mask(np.zeros((10, 12), dtype=bool)),
    ],
)
def test_a_region_without_a_pixel_is_refused_by_its_own_error(region: Region) -> None:
    with pytest.raises(EmptyMaskError):
        pixels(region, width_px=12, height_px=10, at_most=ALL)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the mask is 12 x 10, the image 10 x 12"):
        bounds(Mask(np.ones((10, 12), dtype=bool)), width_px=10, height_px=12)


@pytest.mark.parametrize("place", [(np.nan, 1.0), (1.0, np.inf)])
def test_what_is_no_position_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no position"):
        Point(*place)
    with pytest.raises(ValueError, match="finite"):
        Polygon((np.array([[0.0, 0.0], [5.0, 5.0], place]),))


@pytest.mark.parametrize("outlines", [(), (np.zeros((2, 2)),)])
def test_what_encloses_nothing_is_no_polygon(outlines: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(ValueError, match="3 corners"):
        Polygon(outlines)


@given(count=st.integers(1, 5_000), at_most=st.integers(1, 600))
def test_of_many_pixels_some_are_taken_from_everywhere_and_none_twice(count: int, at_most: int) -> None:
    found = pixels(Box(0, 0, count, 1), width_px=count, height_px=1, at_most=at_most)[:, 0]

    assert len(found) == min(count, at_most)
    assert (np.diff(found) > 0).all()
    gaps = np.diff(found, prepend=-1, append=count)
    assert gaps.max() <= 2 * max(1, count / at_most) + 1


@pytest.mark.parametrize("width", range(2, 80))
def test_no_width_keeps_step_with_the_pixels_that_are_taken(width: int) -> None:
    found = pixels(Box(0, 0, width, 146), width_px=width, height_px=146, at_most=192)

    assert found[:, 0].mean() == pytest.approx((width - 1) / 2, abs=0.09 * width)


def test_stripes_as_wide_as_the_stride_are_met_in_their_share() -> None:
    stripes = np.zeros((400, 400), dtype=bool)
    stripes[:, ::2] = True
    stripes[::2] = True

    found = pixels(Mask(stripes), width_px=400, height_px=400, at_most=1_200)

    # of the pixels of this comb a third each lie on rows, on columns, on both
    assert np.mean(found[:, 0] % 2 == 0) == pytest.approx(2 / 3, abs=0.05)
    assert np.mean(found[:, 1] % 2 == 0) == pytest.approx(2 / 3, abs=0.05)


def test_a_box_of_a_huge_picture_costs_no_mask() -> None:
    found = pixels(Box(0, 0, 10**6, 10**6), width_px=10**6, height_px=10**6, at_most=100)

    assert len(found) == 100
