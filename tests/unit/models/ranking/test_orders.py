"""Every candidate stands everywhere equally often; the same question is asked in the same orders."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.orders import orders

LABELS = st.lists(st.text(max_size=5), min_size=1, max_size=26)


@given(labels=LABELS, seed=st.integers(), squares=st.integers(1, 3))
def test_in_k_orders_each_candidate_stands_once_at_each_place(
    labels: list[str], seed: int, squares: int
) -> None:
    k = len(labels)

    found = np.array(orders(labels, count=k * squares, seed=seed))

    for square in found.reshape(squares, k, k):
        everyone = np.tile(np.arange(k), (k, 1))
        assert (np.sort(square, axis=0) == everyone.T).all()
        assert (np.sort(square, axis=1) == everyone).all()


@given(labels=LABELS, count=st.integers(1, 30), seed=st.integers())
def test_fewer_orders_are_the_first_of_more(labels: list[str], count: int, seed: int) -> None:
    assert orders(labels, count=count, seed=seed) == orders(labels, count=count + 5, seed=seed)[:count]


def test_orders_do_not_depend_on_what_retrieval_thinks_best() -> None:
    labels = ["ant", "bee", "cat", "dog"]

    shown = [[labels[i] for i in order] for order in orders(labels, count=6, seed=7)]
    again = [[labels[::-1][i] for i in order] for order in orders(labels[::-1], count=6, seed=7)]

    assert shown == again


def test_another_seed_or_other_company_give_other_orders() -> None:
    labels = [f"class {i}" for i in range(8)]
    shown = orders(labels, count=4, seed=1)

    assert shown == orders(labels, count=4, seed=1)
    assert shown != orders(labels, count=4, seed=2)
    assert shown != orders([*labels[:-1], "other"], count=4, seed=1)


def test_no_label_leans_to_a_place_when_its_company_changes() -> None:
    first = [
        orders(["owl", *(f"{i} {j}" for j in range(3))], count=1, seed=0)[0].index(0) for i in range(2000)
    ]

    shares = np.bincount(first, minlength=4) / len(first)

    assert np.abs(shares - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / len(first))


def test_neighbours_change_from_order_to_order() -> None:
    found = orders([f"class {i}" for i in range(10)], count=10, seed=3)

    pairs = {(a, b) for order in found for a, b in pairwise(order)}

    assert len(pairs) > 30


def test_golden_orders_stay_as_they_are_for_records_to_be_replayed() -> None:
    assert orders(["ant", "bee", "cat"], count=4, seed=0) == ((2, 0, 1), (1, 2, 0), (0, 1, 2), (2, 1, 0))


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_no_orders_and_very_many_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        orders(["a"], count=count, seed=0)


def test_no_candidates_have_no_order() -> None:
    with pytest.raises(ValueError, match="no candidates"):
        orders([], count=1, seed=0)
