from hypothesis import given
from hypothesis import strategies as st

from models.data.manifest import Row
from models.data.splits import TRAIN, WITHHELD, example_codepoints, withheld, without_leaks, words

NAMED = [(f"{0x1F000 + number:x}", f"thing {number}") for number in range(1000)]


def test_three_hundred_names_are_drawn_and_always_the_same() -> None:
    assert len(withheld(NAMED).unseen) == 300
    assert withheld(NAMED).unseen == withheld(NAMED[::-1]).unseen


def test_the_classes_of_the_examples_are_withheld() -> None:
    named = [*NAMED, ("1f42f", "tiger face")]

    assert len(example_codepoints()) == 353
    assert "1f42f" in withheld(named).examples
    assert withheld(named).shows("a tiger with a smiling face")


def test_a_caption_with_all_words_of_a_withheld_name_shows_it() -> None:
    kept = withheld([("1f42f", "tiger face")])

    assert kept.shows("Tiger faces, drawn")
    assert not kept.shows("tiger")
    assert not kept.shows("")


@given(st.text())
def test_a_withheld_name_always_shows_itself(name: str) -> None:
    kept = withheld([("1f42f", name)])

    assert kept.shows(name) == bool(words(name))


def test_the_very_picture_of_something_withheld_is_withheld_too() -> None:
    rows = [
        Row("norway", "a.png", "norway flag", TRAIN, "MIT", "same"),
        Row("bouvet", "b.png", "bouvet island flag", WITHHELD, "MIT", "same"),
        Row("cat", "c.png", "cat", TRAIN, "MIT", "other"),
    ]

    assert [row.split for row in without_leaks(rows)] == [WITHHELD, WITHHELD, TRAIN]
