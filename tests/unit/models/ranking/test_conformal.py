"""What is known is called unknown at the stated rate at most, and who cannot promise that says so."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.conformal import calibrated, held_out, least_count, p_value, rank

SCORES = st.lists(st.integers(0, 12).map(float), min_size=1, max_size=40)
RATES = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.5, 0.9])


def test_the_threshold_is_the_score_of_the_stated_rank() -> None:
    gate = calibrated(np.arange(1, 20) / 20, error=0.1)

    assert rank(19, 0.1) == 18
    assert gate.threshold == 18 / 20
    assert gate.is_calibrated
    assert gate.realised == pytest.approx(1 / 19)
    assert gate.is_unknown(0.91)
    assert not gate.is_unknown(0.9)


@given(scores=SCORES, error=RATES)
def test_left_out_in_turn_no_more_are_refused_than_stated(scores: list[float], error: float) -> None:
    """Each of n + 1 scores is left out once, which is what exchangeable means: the rate holds exactly."""
    refused = [
        calibrated([*scores[:i], *scores[i + 1 :]], error=error).is_unknown(score)
        for i, score in enumerate(scores)
    ]

    assert sum(refused) <= error * len(scores) + 1e-9


@given(count=st.integers(1, 60), error=RATES, seed=st.integers(0, 99))
def test_without_ties_hardly_fewer_are_refused_than_stated(count: int, error: float, seed: int) -> None:
    scores = np.random.default_rng(seed).permutation(count + 1).astype(float)
    refused = [
        calibrated(np.delete(scores, i), error=error).is_unknown(float(score))
        for i, score in enumerate(scores)
    ]

    if count >= least_count(error):
        assert sum(refused) / (count + 1) > error - 1 / (count + 1) - 1e-9
    else:
        assert not any(refused)


@pytest.mark.parametrize(("count", "error"), [(199, 0.05), (500, 0.1), (50, 0.02)])
def test_over_many_calibrations_the_rate_is_the_stated_one(count: int, error: float) -> None:
    rng = np.random.default_rng(count)
    trials = 1500
    scores = rng.beta(1, 6, size=(trials, count + 1))
    refused = [calibrated(own[:-1], error=error).is_unknown(float(own[-1])) for own in scores]

    rate = np.mean(refused)

    slack = 3 * math.sqrt(error * (1 - error) / trials)
    assert rate <= error + slack
    assert rate >= error - 1 / (count + 1) - slack


def test_one_calibration_on_a_thousand_holds_within_two_points() -> None:
    rng = np.random.default_rng(8)
    within = [
        abs(held_out(calibrated(rng.normal(size=1000), error=0.1), rng.normal(size=5000)).rate - 0.1) <= 0.02
        for _ in range(100)
    ]

    assert np.mean(within) > 0.9


def test_too_few_scores_promise_nothing_and_refuse_nobody() -> None:
    assert least_count(0.05) == 19
    assert calibrated([0.5] * 19, error=0.05).is_calibrated

    gate = calibrated([0.5] * 18, error=0.05)

    assert not gate.is_calibrated
    assert gate.threshold == math.inf
    assert not gate.is_unknown(1e9)
    assert not calibrated([], error=0.5).is_calibrated


def test_ties_refuse_fewer_than_stated_and_it_is_told_how_few() -> None:
    gate = calibrated([0.0] * 50 + [1.0] * 50, error=0.2)

    assert gate.threshold == 1.0
    assert gate.realised == 0.0


def test_what_is_not_a_number_is_unknown() -> None:
    assert calibrated(np.linspace(0, 1, 99), error=0.1).is_unknown(math.nan)


def test_held_out_pictures_check_the_promise() -> None:
    gate = calibrated(np.linspace(0, 1, 999), error=0.1)

    good = held_out(gate, np.linspace(0, 1, 500))
    moved = held_out(gate, np.linspace(0.5, 1.5, 500))

    assert good.rate == pytest.approx(0.1, abs=0.005)
    assert good.holds
    assert moved.rate == pytest.approx(0.6, abs=0.005)
    assert not moved.holds
    assert math.isnan(held_out(gate, []).rate)


@given(scores=SCORES, rate=RATES)
def test_p_values_of_known_things_are_small_no_more_often_than_they_say(
    scores: list[float], rate: float
) -> None:
    values = [p_value(score, [*scores[:i], *scores[i + 1 :]]) for i, score in enumerate(scores)]

    assert sum(value <= rate for value in values) <= rate * len(scores) + 1e-9


@pytest.mark.parametrize("error", [0.0, 1.0, -0.1, math.nan])
def test_rates_lie_between_0_and_1(error: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibrated([0.5], error=error)


def test_scores_are_numbers() -> None:
    with pytest.raises(ValueError, match="not a number"):
        calibrated([0.5, math.nan], error=0.1)
