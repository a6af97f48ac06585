"""Data sets are mixed by their ratios, and a run that was stopped goes on as if it had not been."""

from __future__ import annotations

from collections import Counter

import pytest

from models.segmentation.sampling import Share, drawn

NINE = dict(zip("abcdefghi", (1.0,) * 5 + (0.1,) * 4, strict=True))
CHI_SQUARED_8_DEGREES = 26.12
"""Exceeded once in a thousand times by chance."""


def mixture() -> dict[str, Share]:
    return {
        name: Share(size=7 + 3 * number, ratio=ratio) for number, (name, ratio) in enumerate(NINE.items())
    }


def test_data_sets_are_drawn_in_their_ratios() -> None:
    count = 20_000
    seen = Counter(name for name, _ in drawn(mixture(), count, seed=0))
    expected = {name: count * ratio / sum(NINE.values()) for name, ratio in NINE.items()}

    distance = sum((seen[name] - wanted) ** 2 / wanted for name, wanted in expected.items())

    assert distance < CHI_SQUARED_8_DEGREES


def test_another_ratio_would_be_noticed() -> None:
    count = 20_000
    doubled = mixture() | {"f": Share(size=22, ratio=0.2)}
    seen = Counter(name for name, _ in drawn(doubled, count, seed=0))
    expected = {name: count * ratio / sum(NINE.values()) for name, ratio in NINE.items()}

    distance = sum((seen[name] - wanted) ** 2 / wanted for name, wanted in expected.items())

    assert distance > CHI_SQUARED_8_DEGREES


def test_every_sample_of_a_data_set_comes_once_before_any_comes_again() -> None:
    numbers = [sample for name, sample in drawn(mixture(), 500, seed=1) if name == "b"]
    size = mixture()["b"].size

    for start in range(0, len(numbers) - size, size):
        assert sorted(numbers[start : start + size]) == list(range(size))
    assert numbers[:size] != numbers[size : 2 * size]


def test_a_run_that_was_stopped_goes_on_as_one_that_was_not() -> None:
    whole = drawn(mixture(), 400, seed=2)

    assert drawn(mixture(), 150, seed=2) == whole[:150]
    assert drawn(mixture(), 400, seed=3) != whole


def test_a_data_set_of_ratio_0_is_never_drawn_and_may_be_empty() -> None:
    shares = {"some": Share(3, 1.0), "none": Share(0, 0.0)}

    assert {name for name, _ in drawn(shares, 50, seed=0)} == {"some"}


@pytest.mark.parametrize(
    "shares",
    [{}, {"a": Share(3, 0.0)}, {"a": Share(3, -1.0), "b": Share(3, 2.0)}, {"a": Share(0, 1.0)}],
    ids=["no data set", "no ratio", "negative", "empty"],
)
def test_what_cannot_be_drawn_is_refused(shares: dict[str, Share]) -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        drawn(shares, 1, seed=0)
