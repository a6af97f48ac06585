import numpy as np
import pytest

from models.evaluation.detection.prompted import accuracy, mean_mask_iou, pointed
from tests.unit.models.evaluation.detection.cases import asked, said, truth

HERE, THERE = (10.0, 10.0, 60.0, 60.0), (110.0, 110.0, 160.0, 160.0)
HALF = (10.0, 10.0, 60.0, 35.0)


def test_the_best_answer_counts_and_no_other() -> None:
    scene = asked(["the red star"], [truth(HERE, 0)], said((0, 0.3, HERE), (0, 0.4, THERE)))

    (found,) = pointed([scene])

    assert (found.box_iou, found.mask_iou) == (0, 0)


def test_half_an_overlap_is_right_and_its_mask_counts_for_what_it_is() -> None:
    found = pointed([asked(["the red star"], [truth(HERE, 0)], said((0, 0.4, HALF)))])

    assert accuracy(found, np.ones(1)) == 1
    assert mean_mask_iou(found, np.ones(1)) == pytest.approx(0.5)


def test_no_answer_is_wrong() -> None:
    found = pointed([asked(["the red star", "it"], [truth(HERE, 0)], said((1, 0.4, HERE)))])

    assert accuracy(found, np.ones(1)) == 0


def test_prompts_that_none_or_several_answer_are_not_judged() -> None:
    scene = asked(["star", "tree"], [truth(HERE, 0), truth(THERE, 0)], said((0, 0.4, HERE)))

    assert pointed([scene]) == []


def test_scenes_weigh() -> None:
    right = asked(["star"], [truth(HERE, 0)], said((0, 0.4, HERE)))
    wrong = asked(["star"], [truth(HERE, 0)], said())

    assert accuracy(pointed([right, wrong]), np.array([1.0, 3.0])) == pytest.approx(1 / 4)
