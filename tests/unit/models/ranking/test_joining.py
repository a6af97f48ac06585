"""Sources are joined by their weights; whatever they say, candidates get an order and probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.ranking.joining import Joined, Weights, join, log_ranks, log_shares

WEIGHTS = Weights(
    (
        {"retrieval": 1.0, "letters": 0.5},
        {"retrieval": 0.8, "letters": 0.4, "names": 0.3},
        {"retrieval": 1.0},
    )
)
SHARES = log_shares(np.array([0.5, 0.3, 0.2]))
LETTERS = np.log(np.array([0.1, 0.8, 0.1]))
ANY_NUMBERS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=5),
)


def check(found: Joined, count: int) -> None:
    assert sorted(found.order) == list(range(count))
    assert found.probabilities.shape == (count,)
    assert (found.probabilities >= 0).all()
    assert found.probabilities.sum() + found.unknown == pytest.approx(1)
    in_order = found.probabilities[list(found.order)]
    assert (np.diff(in_order) <= 1e-12).all()


def test_probabilities_are_the_weighted_product() -> None:
    found = join(3, {"retrieval": SHARES, "letters": LETTERS}, unknown=0.2, weights=WEIGHTS)

    product = np.array([0.5, 0.3, 0.2]) * np.sqrt([0.1, 0.8, 0.1])
    np.testing.assert_allclose(found.probabilities, 0.8 * product / product.sum())
    assert found.order == (1, 0, 2)
    assert found.used == {"retrieval": 1.0, "letters": 0.5}
    assert found.left_out == ()


def test_sources_need_not_be_normalised() -> None:
    one = join(3, {"retrieval": SHARES, "letters": LETTERS}, unknown=0.0, weights=WEIGHTS)
    other = join(3, {"retrieval": SHARES + 7, "letters": LETTERS - 300}, unknown=0.0, weights=WEIGHTS)

    np.testing.assert_allclose(one.probabilities, other.probabilities)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([np.nan, 0.0, 0.0]), "letters: not a number"),
        (np.array([np.inf, 0.0, 0.0]), "letters: not a number, or infinite"),
        (np.full(3, -np.inf), "letters: nothing is possible"),
        (np.zeros(2), "letters: shape (2,)"),
        (np.zeros((1, 3)), "letters: shape (1, 3)"),
        (np.array(["a", "b", "c"]), "letters: <U1 in place of numbers"),
    ],
)
def test_a_source_of_no_use_is_left_out_and_said_so(values: np.ndarray, reason: str) -> None:
    found = join(3, {"retrieval": SHARES, "letters": values}, unknown=0.0, weights=WEIGHTS)

    np.testing.assert_allclose(found.probabilities, [0.5, 0.3, 0.2])
    assert found.used == {"retrieval": 1.0}
    assert len(found.left_out) == 1
    assert found.left_out[0].startswith(reason)


def test_each_set_of_sources_has_its_own_weights() -> None:
    names = np.log(np.array([0.2, 0.2, 0.6]))

    found = join(3, {"retrieval": SHARES, "letters": LETTERS, "names": names}, unknown=0.0, weights=WEIGHTS)
    odd = join(3, {"retrieval": SHARES, "names": names}, unknown=0.0, weights=WEIGHTS)

    assert found.used == {"retrieval": 0.8, "letters": 0.4, "names": 0.3}
    assert odd.used == {"retrieval": 1.0}
    assert odd.left_out == ("names: has no weight among these sources",)


def test_what_one_source_finds_impossible_another_may_bring_back() -> None:
    found = join(
        2,
        {"retrieval": np.array([0.0, -np.inf]), "letters": np.array([-30.0, 0.0])},
        unknown=0.0,
        weights=Weights(({"retrieval": 1.0, "letters": 2.0},)),
    )

    assert found.order == (1, 0)
    assert np.isfinite(found.probabilities).all()


def test_equals_stay_in_retrievals_order() -> None:
    assert join(4, {"retrieval": np.zeros(4)}, unknown=0.0).order == (0, 1, 2, 3)
    assert join(4, {}, unknown=0.5).order == (0, 1, 2, 3)


def test_without_candidates_all_is_unknown() -> None:
    found = join(0, {"retrieval": np.zeros(0)}, unknown=0.3)

    check(found, 0)
    assert found.unknown == 1.0


@pytest.mark.parametrize("unknown", [math.nan, -0.1, 1.1, math.inf])
def test_what_is_no_probability_of_unknown_counts_as_none(unknown: float) -> None:
    found = join(3, {"retrieval": SHARES}, unknown=unknown)

    check(found, 3)
    assert found.unknown == 0
    assert found.left_out[0].startswith("unknown: ")


def test_weights_that_are_no_numbers_leave_retrievals_order() -> None:
    found = join(3, {"retrieval": SHARES}, unknown=0.1, weights=Weights(({"retrieval": math.nan},)))

    check(found, 3)
    assert found.order == (0, 1, 2)
    assert found.left_out == ("all: the weights are not numbers",)


@given(
    count=st.integers(0, 4),
    evidence=st.dictionaries(st.sampled_from(["retrieval", "letters", "names", "other"]), ANY_NUMBERS),
    unknown=st.floats(),
    weight=st.floats(),
)
def test_whatever_comes_in_a_permutation_with_probabilities_comes_out(
    count: int, evidence: dict[str, np.ndarray], unknown: float, weight: float
) -> None:
    weights = Weights((*WEIGHTS.sets, {"retrieval": 1.0, "other": weight}))

    check(join(count, evidence, unknown=unknown, weights=weights), count)


def test_a_written_order_gives_less_to_each_rank_and_the_same_to_all_it_left_out() -> None:
    likely = np.exp(log_ranks((2, 0, 1, 3), named=2))

    assert likely.sum() == pytest.approx(1)
    np.testing.assert_allclose(likely / likely[2], [1 / 2, 1 / 3, 1, 1 / 3])
