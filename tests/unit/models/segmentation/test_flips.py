"""In a mirror left is right, in words too, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.flips import mirrored, swapped
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.vision.boxes import Box


@pytest.mark.parametrize(
    ("said", "mirror"),
    [
        ("the left cup", "the right cup"),
        ("the cup to the right of the left one", "the cup to the left of the right one"),
        ("LEFT, Right and left", "RIGHT, Left and right"),
        ("the leftmost star and the right-hand one", "the rightmost star and the left-hand one"),
        ("rightmost, left-most, leftward, rightwards", "leftmost, right-most, rightward, leftwards"),
        ("the upper-left_corner", "the upper-right_corner"),
        ("a bright cleft, copyright, leftover, rightful", "a bright cleft, copyright, leftover, rightful"),
        ("the 2nd of three, on top", "the 2nd of three, on top"),
        ("", ""),
    ],
)
def test_left_and_right_change_places_and_all_else_stays(said: str, mirror: str) -> None:
    assert swapped(said) == mirror
    assert swapped(mirror) == said


def scene() -> Sample:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    mask = np.array([[True, False], [True, True]])
    thing = Thing(Box(1, 2, 3, 4), mask, frozenset({0, 1}), stuff=False, label="1f951")
    crowd = Thing(
        Box(5, 0, 6, 1), np.ones((1, 1), dtype=np.bool_), frozenset({1}), stuff=False, label="1f951"
    )
    prompts = (
        Prompt(PromptKind.PHRASE, "the avocado on the left"),
        Prompt(PromptKind.NAME, "avocado"),
        Prompt(PromptKind.EXEMPLAR, "left/1.png"),
    )
    return Sample(image, prompts, (thing,), "drawn", verified=frozenset({0, 1}), crowds=(crowd,))


def test_picture_box_and_mask_are_mirrored_together() -> None:
    sample = scene()
    there = mirrored(sample)

    np.testing.assert_array_equal(there.image, sample.image[:, ::-1])
    assert there.things[0].box == Box(3, 2, 5, 4)
    assert there.crowds[0].box == Box(0, 0, 1, 1)
    np.testing.assert_array_equal(there.things[0].in_image(6, 4), sample.things[0].in_image(6, 4)[:, ::-1])
    assert there.things[0].answers == sample.things[0].answers
    assert there.verified == sample.verified


def test_phrases_of_a_sample_are_swapped_and_what_an_exemplar_is_called_is_not() -> None:
    texts = [prompt.text for prompt in mirrored(scene()).prompts]

    assert texts == ["the avocado on the right", "avocado", "left/1.png"]


def test_a_mirror_in_a_mirror_shows_what_was_there() -> None:
    sample = scene()
    twice = mirrored(mirrored(sample))

    np.testing.assert_array_equal(twice.image, sample.image)
    assert twice.prompts == sample.prompts
    assert twice.things[0].box == sample.things[0].box
