"""Answers are counted as by hand, and thresholds let few absent prompts through."""

from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.calibration import Asked, average_precision, lines, measured, overlap, thresholds
from models.segmentation.samples import PromptKind

NAME, PHRASE = PromptKind.NAME, PromptKind.PHRASE


def asked(
    logits: list[list[float]],
    answers: list[list[bool]],
    kinds: tuple[PromptKind, ...],
    crowds: tuple[list[list[float]], list[list[bool]]] = ([], []),
) -> Asked:
    """Return a scene of two things, left and right, and three queries: left, right, nowhere."""
    boxes = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0.9, 0.9, 1, 1]], np.float32)
    truth = boxes[:2]
    masks = np.array([[0.9, 0], [0, 0.7], [0, 0]], np.float32)
    crowd_boxes = np.array(crowds[0], np.float32).reshape(-1, 4)
    crowd_answers = np.array(crowds[1], np.bool_).reshape(-1, len(kinds))
    found = np.array(logits, np.float32)
    return Asked(kinds, boxes, found, truth, np.array(answers, np.bool_), masks, crowd_boxes, crowd_answers)


def test_precision_is_the_area_below_the_best_precision_that_is_still_to_come() -> None:
    answered = [(0.9, True), (0.8, False), (0.7, True), (0.6, False)]

    assert average_precision(answered, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(answered, 4) == pytest.approx((1 + 2 / 3) / 4)
    assert average_precision([], 3) == 0.0
    assert average_precision([(0.9, False)], 1) == 0.0


def test_the_order_of_answers_does_not_matter_their_scores_do() -> None:
    answered = [(0.1, True), (0.9, False)]

    assert average_precision(answered, 1) == average_precision(answered[::-1], 1) == 0.5


def test_overlap_is_shared_area_over_common_area() -> None:
    boxes = np.array([[0, 0, 2, 2], [5, 5, 6, 6], [1, 1, 1, 3]], np.float32)

    assert overlap(boxes, np.array([[0, 0, 1, 2]], np.float32)).tolist() == [[0.5], [0.0], [0.0]]


def test_a_right_answer_counts_once_and_its_mask_is_compared() -> None:
    scene = asked([[4, -4], [3, -5], [-9, -9]], [[True, False], [False, False]], (NAME, NAME))

    found = measured([scene], NAME, 0.5)

    assert found.prompts == 1
    assert found.precision == 1.0
    assert found.first == found.present == 1.0
    assert found.mask == pytest.approx(0.9)


def test_the_best_box_elsewhere_is_a_miss() -> None:
    scene = asked([[1, -4], [3, -5], [-9, -9]], [[True, False], [False, False]], (NAME, NAME))

    found = measured([scene], NAME, 0.99)

    assert (found.first, found.present, found.precision) == (0.0, 0.0, 0.5)


def test_a_threshold_lets_its_share_of_absent_prompts_through_each_kind_for_itself() -> None:
    random = np.random.default_rng(0)
    scenes = [
        asked(random.normal(0, 1, (3, 2)).tolist(), [[False, False]] * 2, (NAME, PromptKind.EXEMPLAR))
        for _ in range(500)
    ]
    chosen = thresholds({"all": scenes}, 0.1)

    for place, kind in enumerate((NAME, PromptKind.EXEMPLAR)):
        best = np.array([scene.logits[:, place].max() for scene in scenes])
        assert (1 / (1 + np.exp(-best)) > chosen[kind]).mean() == pytest.approx(0.1, abs=0.005)
    assert chosen[NAME] != chosen[PromptKind.EXEMPLAR]


def test_a_threshold_holds_in_every_set_of_scenes() -> None:
    quiet = [asked([[logit], [-9], [-9]], [[False], [False]], (NAME,)) for logit in np.linspace(-6, -2, 101)]
    loud = [asked([[logit], [-9], [-9]], [[False], [False]], (NAME,)) for logit in np.linspace(-3, 1, 101)]

    chosen = thresholds({"quiet": quiet * 9, "loud": loud}, 0.05)

    assert chosen == thresholds({"loud": loud}, 0.05)
    assert measured(loud, NAME, chosen[NAME]).fired <= 0.05


def test_absent_prompts_that_are_answered_are_counted() -> None:
    scenes = [asked([[logit], [-9], [-9]], [[False], [False]], (NAME,)) for logit in (1, -1, -2, 2)]

    assert measured(scenes, NAME, 0.5).fired == 0.5


def test_each_set_and_kind_has_a_line() -> None:
    scene = asked([[4, -4], [3, -5], [-9, -9]], [[True, False], [False, True]], (NAME, PHRASE))

    said = lines({"drawn": [scene]}, {NAME: 0.5})

    assert [line.split(":")[0] for line in said] == ["drawn name", "drawn phrase"]


def test_an_answer_in_a_crowd_is_neither_right_nor_wrong() -> None:
    logits = [[3.0, -5], [4.0, -4], [-9.0, -9]]
    answers = [[True, False], [False, False]]
    right_half = [[0.5, 0.0, 1.0, 1.0]]

    lonely = measured([asked(logits, answers, (NAME, NAME))], NAME, 0.5)
    crowded = measured([asked(logits, answers, (NAME, NAME), (right_half, [[True, False]]))], NAME, 0.5)
    other = measured([asked(logits, answers, (NAME, NAME), (right_half, [[False, True]]))], NAME, 0.5)

    assert (lonely.precision, crowded.precision, other.precision) == (0.5, 1.0, 0.5)


def test_what_stands_in_a_crowd_alone_is_neither_present_nor_absent() -> None:
    logits = [[4.0, 2], [-4.0, 3], [-9.0, -9]]
    answers = [[True, False], [False, False]]
    crowd = ([[0.5, 0.0, 1.0, 1.0]], [[False, True]])
    scene = asked(logits, answers, (NAME, PHRASE), crowd)

    assert thresholds({"one": [scene]}) == {}
    assert set(thresholds({"one": [asked(logits, answers, (NAME, PHRASE))]})) == {PHRASE}
    found = measured([scene], PHRASE, 0.5)
    assert (found.present, found.fired, found.prompts) == (0.0, 0.0, 0)
