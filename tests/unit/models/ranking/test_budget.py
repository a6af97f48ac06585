"""A question that is too long loses descriptions first, then names, and says what it lost."""

from __future__ import annotations

import pytest

from models.ranking.budget import fitted
from models.ranking.pieces import as_text
from models.ranking.templates import Content, render

CONTENT = Content(("a" * 100, "b" * 15), ("beak " * 60, "wings " * 10))


def count(content: Content) -> int:
    return len(as_text(render("letters@1", content)))


def test_what_fits_is_left_alone() -> None:
    found = fitted(CONTENT, limit=10_000, count=count)

    assert (found.content, found.fits, found.cut) == (CONTENT, True, "")
    assert found.tokens == count(CONTENT)


@pytest.mark.parametrize(
    ("limit", "cut"),
    [
        (550, "descriptions to 240 characters"),
        (350, "descriptions to 60 characters"),
        (240, "descriptions left out"),
        (200, "descriptions left out, names to 80 characters"),
        (150, "descriptions left out, names to 20 characters"),
    ],
)
def test_descriptions_go_first_then_names(limit: int, cut: str) -> None:
    found = fitted(CONTENT, limit=limit, count=count)

    assert found.fits
    assert found.cut == cut
    assert found.tokens == count(found.content) <= limit


def test_what_cannot_be_cut_enough_says_so() -> None:
    found = fitted(CONTENT, limit=20, count=count)

    assert not found.fits
    assert found.cut == "descriptions left out, names to 10 characters"


def test_names_that_are_cut_stay_apart() -> None:
    found = fitted(Content(("x" * 90 + "1", "x" * 90 + "2")), limit=170, count=count)

    lines = as_text(render("letters@1", found.content)).split("\n")

    assert lines[3][3:] != lines[4][3:11]
    assert found.cut.startswith("names to")


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="room for nothing"):
        fitted(CONTENT, limit=0, count=count)
