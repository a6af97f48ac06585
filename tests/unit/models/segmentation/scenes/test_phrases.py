"""A phrase is true of exactly the things it says, or it is not made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.segmentation.scenes.phrases import Aspect, Fact, claims, group, plural_of


def star(colour: str | None = "red", across: float = 0.2, down: float = 0.2, size: float = 50.0) -> Fact:
    return Fact("star", colour, across, down, size)


THREE = (
    star("red", 0.1, 0.2, 90.0),
    star("blue", 0.3, 0.75, 50.0),
    star("red", 0.9, 0.9, 20.0),
    Fact("moon", None, 0.7, 0.1, 200.0),
)


def said(facts: tuple[Fact, ...] = THREE) -> dict[str, frozenset[int]]:
    return {claim.text: claim.answers for claim in claims(group("star", facts, name="star"))}


@pytest.mark.parametrize(
    ("phrase", "answers"),
    [
        ("star", {0, 1, 2}),
        ("red star", {0, 2}),
        ("green star", set()),
        ("star that is not red", {1}),
        ("star on the left", {0, 1}),
        ("star on the right", {2}),
        ("star that is not on the left", {2}),
        ("star in the upper half", {0}),
        ("star at the top left", {0}),
        ("star at the top right", set()),
        ("star at the bottom left", {1}),
        ("star in the middle", set()),
        ("leftmost star", {0}),
        ("rightmost star", {2}),
        ("topmost star", {0}),
        ("bottommost star", {2}),
        ("second star from the left", {1}),
        ("first star from the right", {2}),
        ("third star from the top", {2}),
        ("fourth star from the left", set()),
        ("biggest star", {0}),
        ("smallest star", {2}),
        ("three stars", {0, 1, 2}),
        ("four stars", set()),
        ("red star on the right", {2}),
        ("biggest red star", {0}),
        ("second red star from the left", {2}),
        ("blue star on the right", set()),
    ],
)
def test_a_phrase_is_true_of(phrase: str, answers: set[int]) -> None:
    assert said()[phrase] == answers


def test_fewer_than_there_are_is_not_said() -> None:
    """Where there are three stars there are also two."""
    assert "two stars" not in said()


@pytest.mark.parametrize(
    ("facts", "unsaid"),
    [
        ((star(None), star("red", 0.8)), "red star"),
        ((star(across=0.5), star(across=0.9)), "star on the left"),
        ((star(across=0.50), star(across=0.52)), "leftmost star"),
        ((star(across=0.1), star(across=0.13), star(across=0.9)), "second star from the left"),
        ((star(size=50.0), star(size=55.0)), "biggest star"),
        ((star(across=0.35, down=0.5),), "star in the middle"),
        ((star(),), "leftmost star"),
        ((star(),), "biggest star"),
    ],
)
def test_what_is_not_beyond_doubt_is_not_said(facts: tuple[Fact, ...], unsaid: str) -> None:
    assert unsaid not in said(facts)


def test_things_of_any_name_can_be_told_apart() -> None:
    found = {claim.text: claim.answers for claim in claims(group("thing", THREE))}

    assert found["biggest thing"] == {3}
    assert found["thing"] == {0, 1, 2, 3}
    assert "red thing" not in found  # nobody knows the moon's colour


shares = st.floats(0, 1)
facts = st.builds(
    Fact, st.just("star"), st.sampled_from(["red", "blue", None]), shares, shares, st.floats(5, 300)
)


@given(st.lists(facts, min_size=1, max_size=7))
def test_every_claim_is_about_things_that_are_there(known: list[Fact]) -> None:
    made = claims(group("star", known))
    places = frozenset(range(len(known)))
    found = {claim.text: claim.answers for claim in made}

    assert all(claim.answers <= places for claim in made)
    assert {claim.aspect for claim in made} <= set(Aspect)
    if "star on the left" in found:
        assert found["star on the left"] | found["star on the right"] == places
        assert not found["star on the left"] & found["star on the right"]
    for word, key in (("leftmost", "across"), ("topmost", "down")):
        for place in found.get(f"{word} star", ()):
            assert getattr(known[place], key) == min(getattr(fact, key) for fact in known)
    for claim in made:
        if "red" in claim.text and "not" not in claim.text:
            assert all(known[place].colour == "red" for place in claim.answers)


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("star", "stars"),
        ("box", "boxes"),
        ("cherry", "cherries"),
        ("toy", "toys"),
        ("open lock", "open locks"),
        ("man", None),
        ("glasses", None),
        ("face with tears", None),
        ("knife", None),
    ],
)
def test_a_plural_is_only_made_by_rule(noun: str, plural: str | None) -> None:
    assert plural_of(noun) == plural
