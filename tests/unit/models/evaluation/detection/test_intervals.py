import math

import numpy as np
import pytest

from models.evaluation.detection.intervals import Estimate, estimate, estimate_share, weighted_mean


def half(found: Estimate) -> float:
    return (found.interval[1] - found.interval[0]) / 2


def test_the_interval_of_a_share_is_about_that_of_the_binomial() -> None:
    right = np.random.default_rng(0).random(400) < 0.7

    found = estimate(lambda weights: weighted_mean(right.astype(float), weights), 400, 400)

    expected = 1.96 * math.sqrt(found.value * (1 - found.value) / 400)
    assert found.value == pytest.approx(right.mean())
    assert half(found) == pytest.approx(expected, rel=0.2)


def test_things_of_one_scene_are_drawn_together() -> None:
    right = np.repeat(np.arange(40) % 2, 10).astype(float)  # ten things a scene, all right or all wrong
    scene = np.repeat(np.arange(40), 10)

    found = estimate(lambda weights: weighted_mean(right, weights[scene]), 40, 400)

    assert half(found) == pytest.approx(1.96 * math.sqrt(0.25 / 40), rel=0.25)


def test_of_nothing_there_is_no_figure() -> None:
    found = estimate(lambda _: math.nan, 3, 0)

    assert math.isnan(found.value)
    assert math.isnan(estimate_share(lambda _: math.nan, 3, 0).value)


def test_an_interval_stays_between_nothing_and_all() -> None:
    found = estimate(lambda weights: weighted_mean(np.array([1.0, 1.0, 0.0]), weights), 3, 3)

    assert found.interval[1] == 1.0


def test_none_of_many_is_not_known_to_be_none() -> None:
    none = np.zeros(40)

    found = estimate_share(lambda weights: weighted_mean(none, weights), 40, 400)

    assert found.value == 0
    assert found.interval[0] == 0
    assert found.interval[1] == pytest.approx(0.0095, abs=1e-4)  # Wilson's of 0 of 400


def test_a_share_of_things_that_stand_together_counts_scenes() -> None:
    right = np.repeat(np.arange(40) % 2, 10).astype(float)
    scene = np.repeat(np.arange(40), 10)

    found = estimate_share(lambda weights: weighted_mean(right, weights[scene]), 40, 400)

    assert half(found) == pytest.approx(0.148, rel=0.2)  # Wilson's of 20 of 40, not of 200 of 400
