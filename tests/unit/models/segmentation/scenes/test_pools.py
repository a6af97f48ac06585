"""Names that may be true of one thing never stand side by side."""

from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.scenes.pools import pool
from tests.fakes.drawings import drawing, shapes


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("cat", "black cat", True),
        ("black cat", "cat", True),
        ("Cats", "cat", True),
        ("black cat", "black dog", False),
        ("cat", "caterpillar", False),
        ("man artist", "artist: man", True),
    ],
)
def test_names_clash_whose_words_hold_the_others(one: str, other: str, *, clash: bool) -> None:
    known = pool([drawing(one), drawing(other)])

    assert known.clash(one.upper(), other.upper()) == clash


def test_names_clash_that_have_one_picture() -> None:
    known = pool([drawing("fjord flag"), drawing("isle flag")], {"FJORD FLAG": frozenset({"ISLE FLAG"})})

    assert known.clash("FJORD FLAG", "ISLE FLAG")


def test_what_is_drawn_does_not_clash() -> None:
    known = pool(drawing(name) for name in ("cat", "black cat", "dog", "wet dog", "owl"))

    for seed in range(20):
        found = known.drawn(3, ["WET DOG"], np.random.default_rng(seed))
        assert set(found) <= {"CAT", "BLACK CAT", "OWL"}
        assert len({"CAT", "BLACK CAT"} & set(found)) <= 1
        assert len(found) == len(set(found))


def test_a_name_without_letters_is_left_out() -> None:
    assert pool([drawing("!?"), drawing("owl")]).labels == ("OWL",)


def test_a_label_has_the_name_of_its_drawings() -> None:
    known = shapes()

    assert known.name("STAR") == "star"
    assert known.groups["STAR"][0].id == "me/star"
