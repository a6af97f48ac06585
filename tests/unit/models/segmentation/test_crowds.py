"""What lies in a crowd is decided as COCO's own code decides it."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from models.segmentation.crowds.boxes import INSIDE, spared


@pytest.mark.parametrize("seed", range(5))
def test_a_box_is_spared_where_coco_would_match_it_with_a_crowd(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = rng.random((60, 2))
    boxes = np.concatenate([starts, starts + rng.random((60, 2)) / 2], axis=1)
    crowds, found = boxes[:9], boxes[9:]
    sides = [np.concatenate([each[:, :2], each[:, 2:] - each[:, :2]], axis=1) for each in (found, crowds)]

    shares = np.asarray(coco.iou(*sides, [1] * len(crowds)))  # of the box that was found

    np.testing.assert_array_equal(spared(found, crowds, np.eye(9, dtype=np.bool_)), shares >= INSIDE)


def test_a_crowd_spares_for_what_stands_there_alone() -> None:
    boxes = np.array([[0.1, 0.1, 0.2, 0.2], [0.1, 0.1, 0.1, 0.4], [0.4, 0, 1, 1]])
    crowds = np.array([[0.0, 0.0, 0.5, 0.5]])

    assert spared(boxes, crowds, np.array([[False, True]])).tolist() == [
        [False, True],
        [False, False],  # has no area
        [False, False],  # lies elsewhere, most of it
    ]
    assert spared(boxes, crowds[:0], np.zeros((0, 2), np.bool_)).shape == (3, 2)
