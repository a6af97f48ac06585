from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.attributes.leaks import Names, forbidden, repaired

NAMES = Names(
    [
        "Maine Coon",
        "goldfinch",
        "barn owl",
        "wolf",
        "goose",
        "fox",
        "fly",
        "Bird of Paradise",
        "T-shirt",
        "Señor",
    ]
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a Maine Coon asleep", "Maine Coon"),
        ("MAINE-COON", "Maine Coon"),
        ("two maine_coons", "Maine Coon"),
        ("a coon, Maine", "Maine Coon"),
        ("the coon of Maine", "Maine Coon"),
        ("goldfinches feed", "goldfinch"),
        ("a gold-finch", "goldfinch"),
        ("a gold finch", "goldfinch"),
        ("the goldfinch's wing", "goldfinch"),
        ("like a barnowl", "barn owl"),
        ("barn\nowls", "barn owl"),
        ("wolves howl", "wolf"),
        ("three geese", "goose"),
        ("foxes", "fox"),
        ("flies", "fly"),
        ("paradise bird", "Bird of Paradise"),
        ("birds of the paradise", "Bird of Paradise"),
        ("a tshirt", "T-shirt"),
        ("el senor", "Señor"),
        ("\uff26\uff2f\uff38", "fox"),
    ],
)
def test_a_name_is_found_however_it_is_written(text: str, name: str) -> None:
    assert [mention.name for mention in NAMES.mentions(text)] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "a brown owl in a barn",
        "the coon that came from Maine",
        "golden finch-like bill",
        "a wolfish grin",
        "foxglove",
        "it flew",
        "",
        "!!!",
    ],
)
def test_what_only_looks_like_a_name_is_none(text: str) -> None:
    assert NAMES.mentions(text) == []


def test_mentions_say_where() -> None:
    text = "A barn owl, no goldfinch."

    assert [text[each.begin : each.end] for each in NAMES.mentions(text)] == ["barn owl", "goldfinch"]


def test_a_longer_name_is_one_mention() -> None:
    names = Names(["owl", "barn owl"])

    assert [each.name for each in names.mentions("a barn owl and an owl")] == ["barn owl", "owl"]


def test_a_name_is_replaced_and_sentences_begin_as_they_must() -> None:
    text = "The goldfinch is small. Goldfinches sing; a goldfinch's face is red."

    mended = repaired(text, NAMES, "this bird")

    assert mended == "This bird is small. They sing; this bird's face is red."
    assert NAMES.mentions(mended) == []


def test_one_class_may_name_others_where_only_its_own_names_are_kept_out() -> None:
    called = {"tench": ("tench", "Tinca tinca"), "carp": ("carp",)}

    every, own = forbidden(called, "all"), forbidden(called, "own")

    assert every["tench"].mentions("unlike a carp")
    assert not own["tench"].mentions("unlike a carp")
    assert own["tench"].mentions("a tinca, tinca")


def test_a_thousand_names_are_looked_for_at_once() -> None:
    names = Names(f"thing number{n} of kind{n % 7}" for n in range(1_000))

    assert names.mentions("a long text about nothing in particular " * 100) == []
    assert [each.name for each in names.mentions("kind3 thing, number3")] == ["thing number3 of kind3"]


@given(st.text(max_size=60), st.lists(st.text(max_size=12), max_size=4))
def test_any_text_and_any_names_can_be_asked(text: str, names: list[str]) -> None:
    found = Names(names).mentions(text)

    assert all(0 <= each.begin < each.end <= len(text) and each.name in names for each in found)


@given(
    st.lists(st.sampled_from(["red", "wing", "tail", "small", "bill"]), min_size=1, max_size=3, unique=True)
)
def test_every_order_of_a_names_words_is_found(words: list[str]) -> None:
    names = Names([" ".join(words)])

    assert names.mentions("see: " + "-".join(reversed(words)).upper() + ".")
