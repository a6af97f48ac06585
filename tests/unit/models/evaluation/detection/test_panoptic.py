import math

import numpy as np
import pytest

from models.evaluation.detection.panoptic import Quality, Segment, fates, quality

EVERY = ("cat", "grass", "dog")


def strip(*runs: tuple[int, int]) -> np.ndarray:
    """Return one row of pixels: so many of each segment."""
    return np.concatenate([np.full(count, number) for number, count in runs])[None]


def judged(
    truth: np.ndarray, true_names: tuple[str, ...], said: np.ndarray, names: tuple[str, ...]
) -> Quality:
    return quality(fates(0, (truth, true_names), (said, names)), np.ones(1), EVERY)


def test_the_truth_itself_has_full_quality() -> None:
    truth = strip((1, 10), (2, 10))

    assert judged(truth, ("cat", "grass"), truth, ("cat", "grass")) == Quality(1.0, 1.0, 1.0)


def test_quality_is_known_by_hand() -> None:
    truth = strip((1, 10), (2, 10), (3, 20))  # two cats, grass
    said = strip((1, 8), (0, 2), (2, 10), (3, 20))  # a cat of 8 of 10, a dog instead of the other, grass

    found = judged(truth, ("cat", "cat", "grass"), said, ("cat", "dog", "grass"))

    # cat: one of IoU 0.8, one missed: SQ 0.8, RQ 1 / 1.5; grass 1; no dog is true, so its alarm has no name
    assert found.pq == pytest.approx((0.8 / 1.5 + 1) / 2)
    assert found.sq == pytest.approx((0.8 + 1) / 2)
    assert found.rq == pytest.approx((1 / 1.5 + 1) / 2)


def test_half_of_the_union_is_not_enough() -> None:
    found = judged(strip((1, 10)), ("cat",), strip((1, 5), (0, 5)), ("cat",))

    assert found == Quality(0.0, 0.0, 0.0)


def test_an_alarm_costs_half_a_miss_of_its_name() -> None:
    found = judged(strip((1, 10), (2, 10)), ("cat", "dog"), strip((1, 10), (2, 10)), ("cat", "cat"))

    assert found.pq == pytest.approx((1 / 1.5 + 0) / 2)


def test_pixels_that_nobody_labelled_cost_nothing() -> None:
    truth = strip((1, 10), (0, 10))

    assert judged(truth, ("cat",), strip((1, 15), (0, 5)), ("cat",)) == Quality(1.0, 1.0, 1.0)
    assert judged(truth, ("cat",), strip((1, 10), (2, 10)), ("cat", "cat")) == Quality(1.0, 1.0, 1.0)


def test_scenes_weigh_and_names_are_chosen() -> None:
    found = [
        Segment(0, "cat", 0.8, said=True),
        Segment(1, "cat", 0.0, said=False),
        Segment(1, "dog", 1.0, said=True),
    ]

    assert quality(found, np.array([1.0, 0.0]), {"cat"}).pq == pytest.approx(0.8)
    assert quality(found, np.array([1.0, 2.0]), {"cat"}).rq == pytest.approx(1 / 2)
    assert math.isnan(quality(found, np.ones(2), {"grass"}).pq)
