"""A model's liking for a letter cancels out over the orders; what cannot be read is left out and said so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.ranking.letters import Averaged, Read, averaged, bias, normalised
from models.ranking.orders import Order, orders

ANY_NUMBERS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=6),
)


def biased(
    merit: np.ndarray, place: np.ndarray, shown: tuple[Order, ...], rng: np.random.Generator, noise: float
) -> list[Read]:
    """Return reads of a model that adds something for the place to what a candidate deserves."""
    return [
        Read(order, normalised(merit[list(order)] + place + noise * rng.normal(size=len(merit))))
        for order in shown
    ]


@given(k=st.integers(1, 12), seed=st.integers(0, 1000))
def test_what_a_place_adds_cancels_out_over_a_square_of_orders(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    merit, place = rng.normal(size=k), 2 * rng.normal(size=k)
    shown = orders([str(i) for i in range(k)], count=k, seed=seed)

    found = averaged(biased(merit, place, shown, rng, 0.0), k)

    np.testing.assert_allclose(found.log_probabilities, normalised(merit), atol=1e-9)
    assert (found.used, found.left_out) == (k, ())


def test_one_order_alone_keeps_the_bias() -> None:
    merit, place = np.array([0.0, 1.0]), np.array([3.0, 0.0])

    found = averaged([Read((0, 1), normalised(merit + place))], 2)

    assert found.log_probabilities.argmax() == 0


@pytest.mark.parametrize(
    ("order", "logs", "reason"),
    [
        ((0, 1, 2), [0.0, np.nan, 0.0], "not a number"),
        ((0, 1, 2), [0.0, np.inf, 0.0], "infinite"),
        ((0, 1, 2), [-np.inf] * 3, "no letter"),
        ((0, 1, 2), [0.0, 0.0], "shape"),
        ((0, 1, 2), [[0.0, 0.0, 0.0]], "shape"),
        ((0, 1, 1), [0.0, 0.0, 0.0], "permutation"),
        ((0, 1), [0.0, 0.0], "permutation"),
    ],
)
def test_a_read_of_no_use_is_left_out_with_its_reason(order: Order, logs: list[float], reason: str) -> None:
    good = Read((2, 1, 0), np.log(np.array([0.7, 0.2, 0.1])))

    found = averaged([Read(order, np.array(logs)), good], 3)

    np.testing.assert_allclose(np.exp(found.log_probabilities), [0.1, 0.2, 0.7])
    assert found.used == 1
    assert reason in found.left_out[0]
    assert found.left_out[0].startswith("order 0: ")


def test_a_letter_that_a_server_did_not_report_is_the_last_but_not_impossible() -> None:
    found = averaged([Read((0, 1, 2), np.array([-0.1, -np.inf, -3.0]))], 3)

    assert np.isfinite(found.log_probabilities).all()
    assert found.log_probabilities.argsort().tolist() == [1, 2, 0]


def test_probability_on_other_tokens_is_told() -> None:
    found = averaged([Read((0, 1), np.log(np.array([0.003, 0.001])))], 2)

    assert found.mass == pytest.approx(0.004)
    np.testing.assert_allclose(np.exp(found.log_probabilities), [0.75, 0.25])


@given(reads=st.lists(st.tuples(st.lists(st.integers(-1, 4), max_size=4), ANY_NUMBERS), max_size=4))
def test_whatever_was_read_candidates_have_probabilities(reads: list[tuple[list[int], np.ndarray]]) -> None:
    with np.errstate(all="raise"):
        found: Averaged = averaged([Read(tuple(order), logs) for order, logs in reads], 3)

    assert np.isfinite(found.log_probabilities).all()
    assert np.exp(found.log_probabilities).sum() == pytest.approx(1)
    assert 0 <= found.mass <= 1
    assert found.used + len(found.left_out) == len(reads)


def test_bias_is_found_where_it_was_put() -> None:
    rng = np.random.default_rng(5)
    place = np.array([1.5, 0.0, -0.5, -1.0])
    questions = [
        biased(rng.normal(size=4), place, orders([f"{i}{j}" for j in range(4)], count=4, seed=0), rng, 0.0)
        for i in range(300)
    ]

    found = bias(questions, 4)

    np.testing.assert_allclose(found.pull, place - place.mean(), atol=1e-9)
    assert found.chosen.argmax() == 0
    assert found.chosen[0] > 0.5
    assert found.chosen.sum() == pytest.approx(1)
    assert found.flips > 0.7
    assert found.questions == 300


def test_averaging_orders_takes_noise_away_by_the_root_of_their_number() -> None:
    rng = np.random.default_rng(6)
    questions = [
        biased(
            rng.normal(size=4), np.zeros(4), orders([f"{i}{j}" for j in range(4)], count=8, seed=0), rng, 0.3
        )
        for i in range(150)
    ]

    found = bias(questions, 4)

    assert found.spread_averaged == pytest.approx(found.spread / np.sqrt(8), rel=0.15)
    assert np.abs(found.chosen - 0.25).max() < 0.04


def test_single_orders_show_no_bias() -> None:
    with pytest.raises(ValueError, match="two orders"):
        bias([[Read((0, 1), np.zeros(2))]], 2)
