"""Prompts that are pictures of what to look for."""

from __future__ import annotations

import pytest

from services.kernel.errors import InvalidInput, NotFound
from services.kernel.vocabulary import (
    Box,
    ExemplarPicture,
    Mask,
    Prompt,
    PromptKind,
    Region,
    RegionOrigin,
)
from tests.fakes.found import BLUE, IMAGE, PICTURE, FakeSegmentation, painted, stored
from tests.unit.segmentation.usecases.looking import by_prompt, find, names


def exemplar(image: str, region: Region | None = None) -> tuple[FakeSegmentation, list[Prompt]]:
    data = painted((40, 40), {"red": Box(0, 0, 20, 40), "blue": Box(20, 0, 40, 40)})
    other = stored(data, (40, 40))
    segmentation = FakeSegmentation({IMAGE.key: PICTURE, other.key: data})
    picture = ExemplarPicture(other, region)
    return segmentation, [*names("green"), Prompt(PromptKind.EXEMPLAR, image, picture)]


def test_a_thing_is_found_by_the_part_of_a_picture_that_shows_another() -> None:
    region = Region("0", Box(22, 2, 38, 38), RegionOrigin.CALLER)
    segmentation, prompts = exemplar("e-1", region)

    found = by_prompt(find(prompts, segmentation=segmentation))

    assert found.keys() == {1}
    assert found[1].box == pytest.approx(BLUE, abs=2)
    assert found[1].found_by is not None
    assert found[1].found_by.threshold == 0.4


def test_an_exemplar_is_seen_once_and_takes_part_in_the_names_pass() -> None:
    segmentation, prompts = exemplar("e-1")

    find(prompts, segmentation=segmentation)
    find(prompts[1:], segmentation=segmentation)

    assert segmentation.seer.batches == [1]
    assert segmentation.detector.passes == [(1, 0)]


def test_an_exemplar_without_a_picture_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidInput) as caught:
        find([*names("red"), Prompt(PromptKind.EXEMPLAR, "e-1")])

    assert caught.value.field == "prompts[1].exemplar_id"
    assert caught.value.reason == "EXEMPLAR_WITHOUT_PICTURE"


def test_an_exemplar_whose_mask_has_no_pixel_is_refused_before_any_pass() -> None:
    empty = Region("0", Box(0, 0, 9, 9), RegionOrigin.CALLER, Mask(40, 40, (1600,)))
    segmentation, prompts = exemplar("e-1", empty)

    with pytest.raises(InvalidInput, match="no pixel") as caught:
        find(prompts, segmentation=segmentation)

    assert (caught.value.field, caught.value.reason) == ("prompts[1].exemplar_id", "MASK_EMPTY")
    assert segmentation.detector.passes == []


def test_an_exemplar_whose_picture_is_gone_is_not_found_by_its_place() -> None:
    gone = ExemplarPicture(stored(b"gone", (4, 4)))

    with pytest.raises(NotFound) as caught:
        find([Prompt(PromptKind.EXEMPLAR, "e-1", gone)])

    assert caught.value.field == "prompts[0].exemplar_id"


def test_an_exemplar_that_shows_nothing_finds_nothing() -> None:
    blank = painted((30, 30), {})
    image = stored(blank, (30, 30))
    segmentation = FakeSegmentation({IMAGE.key: PICTURE, image.key: blank})

    found = find([Prompt(PromptKind.EXEMPLAR, "e-1", ExemplarPicture(image))], segmentation=segmentation)

    assert found.regions == ()


def test_a_detector_that_reads_texts_alone_refuses_exemplars() -> None:
    segmentation = FakeSegmentation(exemplars=False)
    prompt = Prompt(PromptKind.EXEMPLAR, "e-1", ExemplarPicture(IMAGE))

    with pytest.raises(InvalidInput) as caught:
        find([prompt], segmentation=segmentation)

    assert caught.value.reason == "EXEMPLARS_NOT_SERVED"
