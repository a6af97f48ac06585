"""Classes that are held apart are in no training step, not even by a caption."""

from pathlib import Path

import numpy as np

from models.multimodal.pictures import Lot, folds, lot
from models.vision.global_encoder.data import Picture
from models.vision.global_encoder.views import Freedom

WORDS = ("ox", "hen", "cat", "dog", "owl", "wren", "boat", "drum", "harp", "kite")


def picture(
    name: str, *, artist: str = "google", thing: str = "", tone: str = "", withheld: bool = False
) -> Picture:
    return Picture(
        f"{artist}/{name}/{tone}",
        Path(name),
        artist,
        name,
        thing,
        tone,
        (name, name),
        (),
        withheld,
        Freedom(),
        1,
    )


def made() -> Lot:
    emoji = [
        picture(name, artist=artist, thing=f"1f{i:03x}")
        for i, name in enumerate(WORDS)
        for artist in ("a", "b")
    ]
    captioned = [picture(f"old {name}", artist="", thing="") for name in WORDS]
    others = [
        picture("ox", thing="1f000", tone="dark"),
        picture("cow", thing="1f0ff", withheld=True),
    ]
    return lot([*emoji, *captioned, *others], apart=4)


def test_nothing_that_is_evaluated_on_takes_part() -> None:
    assert not [one for one in made().pictures if one.withheld or one.tone]


def test_a_picture_is_learned_from_or_asked_or_neither() -> None:
    found = made()

    assert len(found.apart) == 4
    assert found.asked.sum() == 8
    assert not (found.learned & found.asked).any()


def test_a_caption_with_a_name_that_is_held_apart_is_left_out() -> None:
    found = made()
    apart = {one.label for one in found.pictures if one.thing in found.apart}

    told = [one for one, may in zip(found.pictures, found.learned, strict=True) if may]

    assert not [one for one in told if one.label.removeprefix("old ") in apart]
    assert len(found.left_out) == 4


def test_the_draw_is_the_same_every_time_and_shows_in_the_digest() -> None:
    first, again = made(), made()

    assert (first.apart, first.digest) == (again.apart, again.digest)
    assert lot(first.pictures, apart=3).digest != first.digest


def test_every_class_has_one_fold_and_those_held_apart_the_first() -> None:
    things = ["a", "a", "b", "c", "", "d", "e"]

    found = folds(things, frozenset("c"), count=2)

    assert found[0] == found[1]
    assert found[3] == 0
    assert found[4] == -1
    assert set(found[[0, 2, 5, 6]]) == {1, 2}
    assert np.bincount(found[[0, 2, 5, 6]]).tolist() == [0, 2, 2]
