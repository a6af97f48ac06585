import math

import numpy as np
import pytest

from models.evaluation.detection.semantic import VOID, mean_iou, named_pixels

NAMES = ("grass", "sand", "sky")
TRUTH = np.array([[0, 0, 1, 1], [0, 0, VOID, VOID]])


def test_a_map_that_is_right_has_one() -> None:
    counted = named_pixels(0, NAMES, TRUTH, np.where(TRUTH == VOID, 1, TRUTH))

    assert mean_iou(counted, np.ones(1), NAMES) == 1


def test_the_mean_over_names_is_known_by_hand() -> None:
    said = np.array([[0, 0, 1, 0], [0, -1, 2, 2]])  # grass: 3 of 5, sand: 1 of 2; what stands on void is free

    counted = named_pixels(0, NAMES, TRUTH, said)

    assert mean_iou(counted, np.ones(1), NAMES) == pytest.approx((3 / 5 + 1 / 2) / 2)
    assert mean_iou(counted, np.ones(1), {"sand"}) == pytest.approx(1 / 2)


def test_pixels_of_all_scenes_go_into_one_ratio() -> None:
    right = named_pixels(0, NAMES, np.zeros((2, 2), dtype=int), np.zeros((2, 2), dtype=int))
    wrong = named_pixels(1, NAMES, np.zeros((1, 4), dtype=int), np.full((1, 4), 2))

    assert mean_iou(right + wrong, np.ones(2), NAMES) == pytest.approx(4 / 8)
    assert mean_iou(right + wrong, np.array([1.0, 2.0]), NAMES) == pytest.approx(4 / 12)


def test_names_without_a_pixel_are_not_averaged() -> None:
    assert math.isnan(mean_iou(named_pixels(0, NAMES, TRUTH, TRUTH), np.ones(1), {"sky"}))
    assert math.isnan(mean_iou([], np.ones(1), NAMES))
