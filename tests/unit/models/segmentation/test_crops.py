"""What is cut out of a sample is true in the part, or is not cut."""

from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.crops import cropped, has_ordinal, may_crop
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.vision.boxes import Box


def scene(*phrases: str) -> Sample:
    image = np.zeros((20, 40, 3), dtype=np.uint8)
    things = tuple(
        Thing(
            Box(left, 5, left + 10, 15),
            np.ones((10, 10), dtype=np.bool_),
            frozenset({number}),
            stuff=False,
            label=str(number),
        )
        for number, left in enumerate((0, 25))
    )
    names = (Prompt(PromptKind.NAME, "first cup"), Prompt(PromptKind.NAME, "bowl"))
    return Sample(image, names + tuple(Prompt(PromptKind.PHRASE, text) for text in phrases), things, "drawn")


@pytest.mark.parametrize(
    "text", ["the first cup", "The THIRD one", "the 2nd cup", "21st of a row", "the last one"]
)
def test_an_ordinal_is_seen(text: str) -> None:
    assert has_ordinal(text)
    assert cropped(scene(text), Box(20, 0, 40, 20)) is None


@pytest.mark.parametrize("text", ["a red cup", "seconds", "lasting, thirdly", "cup 2", "a firsthand cup"])
def test_other_words_are_no_ordinals(text: str) -> None:
    assert not has_ordinal(text)
    assert cropped(scene(text), Box(20, 0, 40, 20)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "the left cup",
        "the largest cup",
        "the rightmost one",
        "two cups",
        "the one at the top",
        "the other cup",
    ],
)
def test_what_compares_with_the_whole_picture_forbids_a_part_of_it(text: str) -> None:
    assert not may_crop([Prompt(PromptKind.PHRASE, text)])


def test_a_name_may_have_an_ordinal_for_it_counts_nothing() -> None:
    assert may_crop([Prompt(PromptKind.NAME, "1st place medal"), Prompt(PromptKind.EXEMPLAR, "first")])


def test_what_is_outside_is_gone_and_its_prompt_is_absent() -> None:
    part = cropped(scene("a red cup"), Box(20, 0, 40, 20))

    assert part is not None
    assert part.image.shape == (20, 20, 3)
    assert [thing.box for thing in part.things] == [Box(5, 5, 15, 15)]
    assert part.absent() == {0, 2}


def test_a_thing_that_is_cut_keeps_the_box_of_what_is_seen() -> None:
    part = cropped(scene(), Box(4, 8, 40, 20))

    assert part is not None
    assert part.things[0].box == Box(0, 0, 6, 7)
    assert part.things[0].mask.all()
    assert part.things[0].mask.shape == (7, 6)


def test_no_thing_is_cut_to_a_sliver_and_no_part_is_empty() -> None:
    assert cropped(scene(), Box(8, 0, 40, 20)) is None
    assert cropped(scene(), Box(10, 0, 25, 20)) is None
