"""The demonstration's numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.demo.metrics import Share, auroc, calibration_error, percentile, reliability, top


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-4)


def test_no_hit_in_ten_still_leaves_room_above_zero() -> None:
    low, high = Share(0, 10).interval

    assert low == 0
    assert high == pytest.approx(0.2775, abs=1e-3)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_between_0_and_1(counts: tuple[int, int]) -> None:
    found = Share(*counts)
    low, high = found.interval

    assert 0 <= low <= found.value + 1e-12
    assert found.value - 1e-12 <= high <= 1


def test_nothing_counted_is_no_number_and_the_widest_interval() -> None:
    assert math.isnan(Share(0, 0).value)
    assert Share(0, 0).interval == (0, 1)


def test_top_two_counts_a_truth_in_second_place() -> None:
    rankings = [["a", "b"], ["a", "b"], []]

    assert top(rankings, ["b", "a", "a"], 1) == Share(1, 3)
    assert top(rankings, ["b", "a", "a"], 2) == Share(2, 3)


def test_auroc_is_one_for_perfect_order_and_half_for_ties() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1
    assert auroc([0.1], [0.9]) == 0
    assert auroc([0.5, 0.5], [0.5]) == 0.5
    assert math.isnan(auroc([], [0.5]))


def test_the_median_lies_between_the_two_in_the_middle() -> None:
    assert percentile([1, 2, 3, 10], 50) == 2.5
    assert math.isnan(percentile([], 50))


def test_reliability_sets_what_was_stated_beside_what_came_true() -> None:
    low, high = reliability([0.1, 0.1, 0.9, 1.0], [False, True, True, True], bins=2)

    assert [low.stated, high.stated] == pytest.approx([0.1, 0.95])
    assert [low.right, high.right] == [Share(1, 2), Share(2, 2)]
    assert calibration_error([low, high]) == pytest.approx((0.4 + 0.05) / 2)
