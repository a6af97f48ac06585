"""Options stand in seeded orders, letters are read strictly, and what fails is counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.ranking.multiple_choice import Item, letter, options, report

ITEMS = [Item(f"picture {i}", f"class {i % 7}", ("owl", "gull", "wren")) for i in range(4000)]


def test_options_are_the_same_every_time_and_others_with_another_seed() -> None:
    item = ITEMS[0]

    assert options(item, seed=1) == options(item, seed=1)
    assert sorted(options(item, seed=1)) == sorted((item.truth, *item.distractors))
    assert any(options(item, seed=1) != options(item, seed=2) for item in ITEMS[:10])
    assert options(item, seed=1) == options(Item(item.picture, item.truth, item.distractors[::-1]), seed=1)


def test_the_right_letter_is_each_one_equally_often() -> None:
    places = [options(item, seed=3).index(item.truth) for item in ITEMS]

    assert stats.chisquare(np.bincount(places, minlength=4)).pvalue > 0.001


def test_who_always_says_a_is_right_a_quarter_of_the_time() -> None:
    chosen = [options(item, seed=3)[letter("A", 4) or 0] for item in ITEMS]

    found = report([item.truth for item in ITEMS], chosen)

    assert found.micro.interval[0] < 0.25 < found.micro.interval[1]
    assert found.failures.value == 0


LETTERS = {
    "B": 1,
    " B\n": 1,
    "(B)": 1,
    "B.": 1,
    "B)": 1,
    "**B**": 1,
    "**B.** barn owl": 1,
    '"C"': 2,
    "[D]": 3,
    "B. barn owl": 1,
    "A: barn owl": 0,
    "(C) because of its face": 2,
    "Answer: B": 1,
    "The answer is B.": 1,
    "The correct answer is option (C)": 2,
    "Option D": 3,
    "answer is B: a barn owl": 1,
    "B. barn owl\nB": 1,
    "A barn owl": None,
    "a": None,
    "b": None,
    "A": 0,
    "A bird of prey. It looks like an owl.": None,
    "An owl": None,
    "As far as I see, B": None,
    "A or B": None,
    "A. barn owl\nB. tawny owl\nC. gull": None,
    "A, B": None,
    "A/B": None,
    "AB": None,
    "E": None,
    "E. eagle": None,
    "": None,
    "1": None,
    "I cannot tell": None,
    "Cat": None,
    "D'accord": None,
    "Β": None,  # a Greek letter  # noqa: RUF001
}


@pytest.mark.parametrize(("answer", "option"), LETTERS.items(), ids=ascii)
def test_letters_are_read_strictly(answer: str, option: int | None) -> None:
    assert letter(answer, 4) == option


@given(answer=st.text() | st.text("AaBb .:)(*'\n"), count=st.integers(2, 26))
def test_any_answer_is_one_of_the_options_or_a_failure(answer: str, count: int) -> None:
    found = letter(answer, count)

    assert found is None or 0 <= found < count


def test_micro_counts_questions_and_macro_classes() -> None:
    found = report(["a"] * 8 + ["b"] * 2, ["a"] * 8 + ["a", None])

    assert found.micro.value == 0.8
    assert found.macro.value == 0.5
    assert found.failures.value == 0.1
    assert found.classes == {"a": (8, 8), "b": (0, 2)}
    assert found.micro.interval[0] < 0.8 < found.micro.interval[1]
    assert found.macro.interval[1] - found.macro.interval[0] > 0.3


def test_the_interval_over_classes_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    skills = rng.uniform(0.3, 0.95, size=12)
    inside = 0
    for _ in range(300):
        truths = [f"class {c}" for c in range(12) for _ in range(20)]
        right = np.concatenate([rng.uniform(size=20) < skill for skill in skills])
        low, high = report(
            truths, [t if is_right else None for t, is_right in zip(truths, right, strict=True)]
        ).macro.interval
        inside += low <= skills.mean() <= high

    assert inside / 300 > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 300)


@pytest.mark.parametrize("distractors", [(), ("truth",), ("a", "a"), tuple("abcdefghijklmnopqrstuvwxyz")])
def test_options_differ_and_have_letters(distractors: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="2 to 26 different"):
        Item("picture", "truth", distractors)


def test_an_examination_has_questions_and_an_answer_to_each() -> None:
    with pytest.raises(ValueError, match="0 answers to 0"):
        report([], [])
    with pytest.raises(ValueError, match="1 answers to 2"):
        report(["a", "b"], ["a"])
