"""Memories that pictures ask: other artists' pictures, few of each class."""

from pathlib import Path

import numpy as np
import pytest

from models.multimodal.features import Features
from models.multimodal.mining import Memories, clipart_neighbours, emoji_neighbours, says_something
from models.vision.global_encoder.data import Picture
from models.vision.global_encoder.views import Freedom

ARTISTS = ("a", "b", "c")
CLASSES = 12


def picture(artist: str, thing: str, name: str) -> Picture:
    return Picture(
        f"{artist}/{name}",
        Path(name),
        artist,
        name,
        thing,
        "",
        (name,),
        (),
        withheld=False,
        freedom=Freedom(),
        views=1,
    )


def drawings() -> tuple[list[Picture], Features]:
    """Return pictures of three artists whose classes lie apart, then four pieces of clip art."""
    made = [picture(artist, f"{i:02d}", f"thing {i:02d}") for i in range(CLASSES) for artist in ARTISTS]
    clipart = [picture("", "", name) for name in ("red ball", "ball", "xqzw", "red ball")]
    drawn = np.random.default_rng(0)
    centres = np.eye(CLASSES + 1)[[min(i // 3, CLASSES) for i in range(len(made) + len(clipart))]]
    rows = np.repeat(centres + 0.05 * drawn.standard_normal(centres.shape), 2, axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    plain = np.tile([True, False], len(made) + len(clipart))
    whose = np.repeat(np.arange(len(made) + len(clipart)), 2)
    half = rows.astype(np.float16)
    return [*made, *clipart], Features(half, half, whose, plain)


def test_a_memory_has_no_picture_of_the_artist_who_asks() -> None:
    pictures, features = drawings()
    memories = Memories(pictures, features, np.ones(len(pictures), dtype=bool))

    found, near = memories.ask(0, 1, classes=5, shots=2, drawn=np.random.default_rng(0))

    assert {pictures[one].artist for one in found} == {"b", "c"}
    assert len(found) == 10
    assert len({pictures[one].thing for one in found}) == 5
    assert (np.diff(near) <= 0).all()
    assert {pictures[one].thing for one in found[:2]} == {"00"}


def test_who_may_not_take_part_is_not_found() -> None:
    pictures, features = drawings()
    may = np.array([one.thing < "06" for one in pictures])
    memories = Memories(pictures, features, may)

    found, _ = memories.ask(0, 0, classes=99, shots=9, drawn=np.random.default_rng(0))

    assert {pictures[one].thing for one in found} == {f"{i:02d}" for i in range(6)}


def test_neighbours_are_the_same_for_the_same_seed() -> None:
    pictures, features = drawings()
    memories = Memories(pictures, features, np.ones(len(pictures), dtype=bool))
    asking = [(0, 1), (4, 8)]

    first, again, other = (
        list(emoji_neighbours(memories, asking, classes=6, count=4, seed=seed)) for seed in (0, 0, 1)
    )

    assert first == again != other
    assert [each.truth for each in first] == ["thing 00", "thing 01"]
    assert all(len(each.labels) == 4 for each in first)


def test_a_piece_of_clip_art_finds_its_own_name_first_and_no_name_twice() -> None:
    pictures, features = drawings()
    may = np.ones(len(pictures), dtype=bool)

    found = list(clipart_neighbours(pictures, features, may, lambda label: label != "xqzw", count=3))

    assert len(found) == 3
    assert all(each.labels[0] == each.truth for each in found)
    assert all(set(each.labels) == {"red ball", "ball"} for each in found)


@pytest.mark.parametrize(
    ("label", "says"),
    [("red ball", True), ("a", False), ("xqzw", False), ("one two three four five", False), ("12", False)],
)
def test_a_file_name_says_something_if_it_is_a_few_known_words(label: str, *, says: bool) -> None:
    assert says_something(label, lambda word: 4 if word == " xqzw" else 1) is says
