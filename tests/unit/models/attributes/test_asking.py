from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.attributes.asking import MOST_ANSWER, chosen, listed, plain, tells


@pytest.mark.parametrize(
    "answer",
    [
        "cannot tell",
        "Cannot tell.",
        "can't tell",
        "I can\u2019t tell from this photo.",
        "I cannot clearly see it",
        "can not be determined",
        "not visible",
        "Not clearly visible in the picture",
        "It is not visible.",
        "unknown",
        "Unclear",
        "N/A",
        "none",
        "None.",
        "unsure",
        "I'm not sure",
        "I am unable to see the tail",
        "I don't know",
        "do not know",
        "not applicable",
        "indeterminate",
        "It's impossible to say",
        "hard to tell",
        "Sorry, I cannot help",
        "As an AI, I have no eyes",
        "-",
        "???",
        "  ",
        '"cannot tell"',
    ],
)
def test_words_for_not_knowing_are_no_value(answer: str) -> None:
    assert not tells(answer)


@pytest.mark.parametrize(
    "answer",
    ["red", "not striped", "no tail", "unmarked", "inky black", "nonexistent tail", "invisible legs", "dark"],
)
def test_what_says_something_is_a_value(answer: str) -> None:
    assert tells(answer)


def test_lists_are_read_however_they_are_written() -> None:
    wanted = ("coat colour", "ear shape")

    for answer in (
        "coat colour, ear shape",
        "- coat colour\n- ear shape\n",
        "1. coat colour\n2) ear shape",
        'Here you are: ["coat colour", "ear shape"]',
        "* **coat colour**\n* ear shape.\n* Coat Colour\n* unknown",
    ):
        assert listed(answer, most=5, longest=40) == wanted, answer


def test_lists_are_bounded_and_sentences_are_no_entries() -> None:
    assert listed("\n".join(f"entry {n}" for n in range(50)), most=3, longest=20) == (
        "entry 0",
        "entry 1",
        "entry 2",
    )
    assert listed("good\n" + "a sentence that goes on " * 5, most=3, longest=20) == ("good",)
    assert listed("[" * 5_000, most=3, longest=20) == ()


@given(st.text(max_size=300))
def test_whatever_a_model_writes_becomes_one_bounded_line(answer: str) -> None:
    line = plain(answer * 40)

    assert len(line) <= MOST_ANSWER
    assert line.isprintable() or not line
    assert all(len(each) <= 30 for each in listed(answer, most=4, longest=30))


def test_a_choice_is_the_one_that_is_named() -> None:
    choices = ("red", "dark red", "blue")

    assert chosen("Red.", choices) == "red"
    assert chosen("It is dark red", choices) == "dark red"
    assert chosen("red or blue", choices) is None
    assert chosen("green", choices) is None
    assert chosen("bluest", choices) is None
