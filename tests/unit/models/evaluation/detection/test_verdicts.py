import numpy as np
import pytest

from models.evaluation.detection.verdicts import judged
from tests.unit.models.evaluation.detection.cases import asked, said, truth

HERE, THERE = (10.0, 10.0, 60.0, 60.0), (110.0, 110.0, 160.0, 160.0)


def test_answers_above_the_threshold_are_right_wrong_or_missing() -> None:
    answers = said((0, 0.9, HERE), (0, 0.8, HERE), (1, 0.7, HERE), (0, 0.2, THERE))
    scene = asked(["star", "tree"], [truth(HERE, 0), truth(THERE, 0)], answers)

    verdict = judged(scene, np.array([0.5, 0.5]))

    assert verdict.right == (True, False, False)
    assert verdict.missed == ((0, 1),)
    assert verdict.quality == pytest.approx(2 / (3 + 1 + 1))


def test_nothing_there_and_nothing_said_is_perfect() -> None:
    verdict = judged(asked(["star"], [], said((0, 0.2, HERE))), np.array([0.5]))

    assert verdict.quality == 1


def test_a_thing_answers_each_of_its_prompts() -> None:
    scene = asked(["star", "red star"], [truth(HERE, 0, 1)], said((0, 0.9, HERE), (1, 0.8, HERE)))

    assert judged(scene, np.array([0.5, 0.5])).quality == 1
