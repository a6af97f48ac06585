import numpy as np
import pytest

from models.evaluation.ranking import figures
from models.evaluation.ranking.figures import Gain
from models.ranking.trust import Outcomes


def test_a_gain_is_what_is_won_less_what_is_lost() -> None:
    before = np.array([True] * 50 + [False] * 50)
    after = np.array([True] * 45 + [False] * 5 + [True] * 15 + [False] * 35)

    found = figures.gain(before, after)

    assert found.value == pytest.approx(0.1)
    assert (found.wins, found.losses, found.count) == (15, 5, 100)
    # of a difference of two shares that exclude each other the standard error is 0.0436
    assert found.interval == pytest.approx((0.1 - 0.0855, 0.1 + 0.0855), abs=0.015)
    assert not found.is_loss


def test_the_same_answers_leave_nothing_open() -> None:
    same = np.array([True, False, True])

    assert figures.gain(same, same).interval == (0, 0)


def test_losing_everywhere_is_a_loss() -> None:
    assert figures.gain(np.ones(20, np.bool_), np.zeros(20, np.bool_)).is_loss


def test_each_set_is_as_heavy_as_any_other() -> None:
    large, small = Gain(0.1, (0.0, 0.0), 100, 0, 1000), Gain(0.5, (0.0, 0.0), 5, 0, 10)

    found = figures.mean_gain([large, small])

    assert found.value == pytest.approx(0.3)
    assert found.interval[0] < 0.3 < found.interval[1]
    assert figures.pooled([large, small]).value == pytest.approx(105 / 1010)


def test_who_is_as_sure_as_right_has_no_calibration_error() -> None:
    right = np.array([True, True, True, False] * 25)

    assert figures.calibration_error(np.full(100, 0.75), right).value == pytest.approx(0)
    assert figures.calibration_error(np.full(100, 1.0), right).value == pytest.approx(0.25)


def test_errors_of_different_bins_do_not_cancel_out() -> None:
    confidence, right = np.array([0.9, 0.1]), np.array([False, True])

    assert figures.calibration_error(confidence, right).value == pytest.approx(0.9)


def test_a_gate_refuses_as_many_known_things_as_it_states() -> None:
    known = np.random.default_rng(0).random(4000)

    found = figures.coverage("things", known, np.full(10, 2.0), stated=0.1)

    assert found.known.count == 2000
    assert found.known.value == pytest.approx(0.1, abs=0.02)
    assert found.unknown is not None
    assert found.unknown.value == 1


def test_below_the_margin_the_ranked_answer_counts() -> None:
    outcomes = Outcomes(
        np.array([0.2, 0.9, 0.95]), np.array([False, False, True]), np.array([True, True, False])
    )

    assert figures.gated(outcomes, 0.9).tolist() == [True, False, True]
    assert figures.gated(outcomes, figures.ALL).tolist() == [True, True, False]


def _unsure_gain(count: int = 400) -> Outcomes:
    """Return outcomes in which ranking helps below a margin of a half, and harms above it."""
    margins = np.linspace(0, 1, count)
    low = margins < 0.5
    return Outcomes(margins, ~low, low)


def test_a_gate_that_each_half_chooses_for_the_other_keeps_the_gain_and_not_the_harm() -> None:
    right, asked = figures.calibrated_gate(_unsure_gain())

    assert right.mean() > 0.98
    assert asked.mean() == pytest.approx(0.5, abs=0.02)


def test_where_ranking_only_harms_the_own_gate_asks_nobody() -> None:
    worse = Outcomes(np.linspace(0, 1, 100), np.ones(100, np.bool_), np.zeros(100, np.bool_))

    right, asked = figures.calibrated_gate(worse)

    assert right.all()
    assert not asked.any()


def test_gates_of_their_own_keep_the_gain_of_one_set_and_leave_the_harm_to_another() -> None:
    half = _unsure_gain()
    helped = Outcomes(half.margins, half.retrieved, np.ones(len(half), np.bool_))  # 200 of 400 are mended
    harmed = Outcomes(half.margins, np.ones(len(half), np.bool_), np.arange(len(half)) % 8 > 0)  # 50 lost

    kept, asked = figures.kept_behind_own([helped, harmed])

    assert kept == pytest.approx(200 / 150, abs=0.02)
    assert asked == pytest.approx(0.25, abs=0.02)
    assert np.isnan(figures.kept_behind_own([harmed])[0])


def test_half_of_the_pictures_may_keep_all_of_a_gain() -> None:
    half = _unsure_gain()
    gains = Outcomes(half.margins, half.retrieved, np.ones(len(half), np.bool_))

    assert figures.kept_at(gains, 0.5) == pytest.approx(1)
    assert figures.kept_at(gains, 0.25) == pytest.approx(0.5, abs=0.01)
    assert np.isnan(figures.kept_at(Outcomes(half.margins, half.retrieved, half.retrieved), 0.5))
