"""What the demonstration teaches, holds out and asks."""

from __future__ import annotations

from pathlib import Path

from examples.demo.modes import MODES
from examples.demo.run import queries
from examples.demo.task import VENDORS, Picture, at_most, divide, load

PICTURES = [
    Picture(label, "group", vendor, Path(vendor) / label)
    for label in "abcdefghij"
    for vendor in ("noto", "fluent", "twemoji")
]


def test_every_class_has_one_picture_of_each_artist() -> None:
    pictures = load()

    assert len({(picture.label, picture.vendor) for picture in pictures}) == len(pictures)
    assert len(pictures) == len(VENDORS) * len({picture.label for picture in pictures})


def test_a_class_is_either_taught_or_held_out() -> None:
    task = divide(PICTURES, teacher="noto", held_out=0.2, seed=0)

    assert (len(task.labels), len(task.unknown_labels)) == (8, 2)
    assert not set(task.labels) & set(task.unknown_labels)


def test_the_order_of_the_pictures_changes_nothing() -> None:
    there = divide(PICTURES, teacher="noto", held_out=0.2, seed=3)
    back = divide(PICTURES[::-1], teacher="noto", held_out=0.2, seed=3)

    assert there == back


def test_no_picture_that_was_taught_is_asked() -> None:
    task = divide(PICTURES, teacher="noto", held_out=0.2, seed=0)

    for mode in MODES:
        taught = task.lessons if mode.pictures else ()
        assert not set(taught) & set(queries(task.taught, task, mode))


def test_names_alone_are_asked_for_by_every_artists_pictures() -> None:
    task = divide(PICTURES, teacher="noto", held_out=0.2, seed=0)
    names = next(mode for mode in MODES if not mode.pictures)

    assert queries(task.taught, task, names) == task.taught


def test_a_bound_draws_the_same_number_from_each_artist() -> None:
    drawn = at_most(PICTURES, 4, seed=0)

    assert [picture.vendor for picture in drawn] == ["fluent"] * 4 + ["noto"] * 4 + ["twemoji"] * 4
    assert drawn == at_most(PICTURES, 4, seed=0)
