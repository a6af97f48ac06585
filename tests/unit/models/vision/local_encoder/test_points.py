import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.boxes import Box
from models.vision.local_encoder.points import POINTS, region_points
from models.vision.masks import EmptyMaskError


def test_points_stand_in_the_middles_of_equal_parts_row_by_row() -> None:
    points = region_points(Box(40, 10, 56, 42), width_px=80, height_px=50)

    np.testing.assert_allclose(points[0], [41 / 80, 12 / 50, 1])
    np.testing.assert_allclose(points[1], [43 / 80, 12 / 50, 1])
    np.testing.assert_allclose(points[8], [41 / 80, 16 / 50, 1])
    np.testing.assert_allclose(points[-1], [55 / 80, 40 / 50, 1])


def test_the_middle_of_all_points_is_the_middle_of_the_part_of_the_box_in_the_image() -> None:
    points = region_points(Box(-20, 30, 20, 70), width_px=100, height_px=60)

    np.testing.assert_allclose(points[:, :2].mean(0), [10 / 100, 45 / 60], rtol=1e-6)


def test_points_outside_the_mask_do_not_count() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[8:24, 8:16] = True

    inside = region_points(Box(8, 8, 24, 24), mask, width_px=40, height_px=40)[:, 2].reshape(8, 8)

    assert inside[:, :4].all()
    assert not inside[:, 4:].any()


@given(st.integers(0, 39), st.integers(0, 39))
def test_a_mask_of_one_pixel_is_read_at_the_point_next_to_it(row: int, column: int) -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[row, column] = True

    points = region_points(Box(0, 0, 40, 40), mask, width_px=40, height_px=40)

    (chosen,) = points[points[:, 2] == 1]
    assert np.abs(chosen[:2] * 40 - (column + 0.5, row + 0.5)).max() <= 2.5


def test_a_mask_that_does_not_meet_the_box_is_empty() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[0, 0] = True

    with pytest.raises(EmptyMaskError):
        region_points(Box(10, 10, 20, 20), mask, width_px=40, height_px=40)


def test_a_box_outside_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="no pixel"):
        region_points(Box(50, 0, 60, 10), width_px=40, height_px=40)


def test_a_box_of_one_pixel_is_read_within_it() -> None:
    points = region_points(Box(39, 39, 40, 40), width_px=40, height_px=40)

    assert points.shape == (POINTS, 3)
    assert points[:, :2].min() > 39 / 40
    assert points[:, :2].max() < 1
