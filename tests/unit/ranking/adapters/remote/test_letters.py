"""What a list of likely tokens says of letters, and what it leaves open."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ranking.adapters.remote.letters import LETTERS, letter_of, read_letters

NATS = st.floats(-40.0, 0.0)


def test_a_letter_has_the_probability_of_all_tokens_that_are_it() -> None:
    listed = [("A", math.log(0.2)), (" A", math.log(0.3)), ("B.", math.log(0.1)), ("\u2581B", math.log(0.05))]

    letters = read_letters(listed, 2)

    assert letters is not None
    assert np.exp(letters.log_probabilities) == pytest.approx([0.5, 0.15])
    assert letters.bounded == ()


def test_a_letter_that_is_not_listed_has_no_more_than_the_least_that_is() -> None:
    letters = read_letters([(" A", math.log(0.5)), (" the", math.log(0.01))], 3)

    assert letters is not None
    assert np.exp(letters.log_probabilities) == pytest.approx([0.5, 0.01, 0.01])
    assert letters.bounded == (1, 2)


def test_it_has_no_more_than_the_listed_ones_leave() -> None:
    letters = read_letters([(" A", math.log(0.9)), (" B", math.log(0.099))], 3)

    assert letters is not None
    assert math.exp(letters.log_probabilities[2]) == pytest.approx(0.001)


def test_where_all_is_listed_a_missing_letter_has_next_to_nothing() -> None:
    letters = read_letters([("A", math.log(0.6)), ("B", math.log(0.4))], 3)

    assert letters is not None
    assert math.isfinite(letters.log_probabilities[2])
    assert letters.log_probabilities[2] < -20


@pytest.mark.parametrize("value", [-9999.0, -math.inf, math.nan])
def test_a_token_without_a_probability_counts_as_not_listed(value: float) -> None:
    letters = read_letters([("A", math.log(0.5)), ("B", value)], 2)

    assert letters is not None
    assert letters.bounded == (1,)
    assert np.isfinite(letters.log_probabilities).all()


@pytest.mark.parametrize("listed", [[], [(" the", -0.1)], [("C", -0.1)], [("a", -0.1)], [("A", math.nan)]])
def test_without_one_of_the_letters_nothing_was_said(listed: list[tuple[str, float]]) -> None:
    assert read_letters(listed, 2) is None


def test_a_probability_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="above 1"):
        read_letters([("A", 0.5)], 2)


@pytest.mark.parametrize(
    ("token", "letter"),
    [
        ("A", "A"),
        (" A", "A"),
        ("\u0120A", "A"),
        ("A)", "A"),
        ("\nB:", "B"),
        ("AB", ""),
        ("a", ""),
        ("\u0391", ""),
        ("", ""),
        (".", ""),
        ("..", ""),
        ("(A", ""),
        ("1", ""),
    ],
)
def test_a_token_is_a_letter_if_nothing_else_is_in_it(token: str, letter: str) -> None:
    assert letter_of(token) == letter


@given(
    st.lists(st.tuples(st.sampled_from([*LETTERS, " A", " B", "The", " x"]), NATS), max_size=30),
    st.integers(1, 26),
)
def test_whatever_is_listed_each_letter_gets_a_number_and_none_that_is_missing_more_than_one_that_is_not(
    listed: list[tuple[str, float]], count: int
) -> None:
    letters = read_letters(listed, count)

    if letters is None:
        assert not {letter_of(token) for token, _ in listed} & set(LETTERS[:count])
        return
    values = np.array(letters.log_probabilities)
    assert values.shape == (count,)
    assert np.isfinite(values).all()
    missing = list(letters.bounded)
    listed_ones = np.delete(values, missing)
    assert not missing or values[missing].max() <= listed_ones.min() + 1e-9
