import math

import numpy as np
import pytest

from models.evaluation.detection.calibration import Scored, bins, error, of_detections, of_prompts
from models.evaluation.detection.matching import match
from models.evaluation.detection.rejection import offered
from tests.unit.models.evaluation.detection.cases import asked, said, truth

HERE, THERE = (10.0, 10.0, 60.0, 60.0), (110.0, 110.0, 160.0, 160.0)


def scored(score: list[float], right: list[bool]) -> Scored:
    return Scored(np.arange(len(score)), np.array(score), np.array(right))


def test_scores_that_mean_what_they_say_have_no_error() -> None:
    assert error(scored([0.75] * 4, [True, True, True, False]), np.ones(4)) == pytest.approx(0)


def test_the_error_is_known_by_hand() -> None:
    found = scored([0.95, 0.95, 0.15, 0.15], [True, False, False, False])

    assert error(found, np.ones(4)) == pytest.approx((2 * 0.45 + 2 * 0.15) / 4)
    assert error(found, np.array([1.0, 0.0, 0.0, 0.0])) == pytest.approx(0.05)
    assert math.isnan(error(found, np.zeros(4)))


def test_a_score_of_one_falls_into_the_last_bin() -> None:
    (last,) = bins(scored([1.0, 0.92], [True, False]))

    assert last.score == pytest.approx(0.96)
    assert (last.right, last.count) == (0.5, 2)


def test_a_detection_is_right_if_it_matches_and_low_scores_are_left_out() -> None:
    answers = said((0, 0.9, HERE), (0, 0.8, THERE), (0, 0.04, THERE))
    scene = asked(["star", "tree"], [truth(HERE, 0)], answers)

    found = of_detections(match([scene], "bbox"))

    assert list(zip(found.score.tolist(), found.right.tolist(), strict=True)) == [(0.9, True), (0.8, False)]


def test_a_prompt_is_right_to_score_high_if_something_answers_it() -> None:
    scene = asked(["star", "tree"], [truth(HERE, 0)], said((0, 0.9, THERE)))

    found = of_prompts(offered([scene], [0.5]))

    assert found.right.tolist() == [True, False]
    assert found.score.tolist() == [0.9, 0]
