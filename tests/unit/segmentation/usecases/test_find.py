"""What prompts find in a painted picture: red on the left, blue on the right, nothing green."""

from __future__ import annotations

import numpy as np
import pytest

from models.vision import masks
from services.kernel.errors import DeadlineExceeded, Unavailable
from services.kernel.vocabulary import (
    Box,
    FindOptions,
    Prompt,
    PromptKind,
    RegionOrigin,
)
from services.segmentation.usecases import FindRegions
from tests.fakes.encoding import GivenTime
from tests.fakes.finding import HalfMasker, PaintedDetector
from tests.fakes.found import BLUE, IMAGE, RED, FakeSegmentation, painted, stored
from tests.unit.segmentation.usecases.looking import NOTHING_SAID, by_prompt, find, names, scores
from tests.unit.segmentation.usecases.test_find_exemplars import exemplar


def test_each_region_says_which_prompt_found_it_and_with_what_score() -> None:
    found = by_prompt(find(names("blue", "green", "red")))

    assert found.keys() == {0, 2}
    for region in found.values():
        assert region.origin is RegionOrigin.PROMPT
        assert region.found_by is not None
        assert region.found_by.score > 0.99
        assert region.found_by.threshold == 0.5


def test_boxes_are_in_pixels_of_the_picture() -> None:
    found = by_prompt(find(names("blue", "red")))

    assert found[0].box == pytest.approx(BLUE, abs=2)
    assert found[1].box == pytest.approx(RED, abs=2)


@pytest.mark.parametrize("size", [(96, 72), (960, 720), (50, 700), (1, 1), (1, 900), (1200, 160)])
def test_boxes_and_masks_are_in_pixels_whatever_the_pictures_size(size: tuple[int, int]) -> None:
    width, height = size
    box = Box(width // 4, height // 4, max(width // 2, width // 4 + 1), max(height // 2, height // 4 + 1))
    data = painted(size, {"red": box})
    image = stored(data, size)

    (region,) = FakeSegmentation({image.key: data}).find(image, names("red"), NOTHING_SAID).regions

    slack = 2 * max(size) / 96 + 1
    assert region.box == pytest.approx(box, abs=slack)
    assert region.box.right <= width
    assert region.box.bottom <= height
    if region.mask is not None:
        drawn = masks.decode(region.mask.counts, width_px=width, height_px=height)
        around = masks.bounding_box(drawn)
        assert (around.left, around.top, around.right, around.bottom) == pytest.approx(box, abs=2 * slack)


def test_a_mask_has_the_pixels_of_the_thing() -> None:
    found = by_prompt(find(names("blue", "red")))

    mask = found[1].mask
    assert mask is not None
    drawn = masks.decode(mask.counts, width_px=96, height_px=72)
    truth = np.zeros((72, 96), dtype=bool)
    truth[8:32, 8:40] = True
    assert np.count_nonzero(drawn & truth) / np.count_nonzero(drawn | truth) > 0.8


def test_what_a_phrase_says_of_things_decides_between_them_and_leaves_names_alone() -> None:
    segmentation = FakeSegmentation(detector=PaintedDetector(related=(-20.0, 0.0, 20.0)))
    prompts = [*names("red"), Prompt(PromptKind.PHRASE, "the red thing on the right")]

    found = by_prompt(find(prompts, segmentation=segmentation))

    assert found[0].box == pytest.approx(RED, abs=2)
    assert found[1].box == pytest.approx(BLUE, abs=2)


def test_a_detector_without_masks_finds_boxes() -> None:
    found = find(names("red"), segmentation=FakeSegmentation(detector=PaintedDetector(masks=False)))

    assert [region.mask for region in found.regions] == [None]


def test_regions_come_best_first_and_are_numbered() -> None:
    found = find([*names("red"), Prompt(PromptKind.NAME, "red and green"), *names("blue")])

    by = [region.found_by for region in found.regions]
    assert [region.region_id for region in found.regions] == [str(i) for i in range(len(by))]
    found_scores = [each.score for each in by if each is not None]
    assert found_scores == sorted(found_scores, reverse=True)


def test_the_score_of_a_name_does_not_depend_on_the_others() -> None:
    alone = scores(find(names("red")), names("red"))
    many = names(*(f"thing {number}" for number in range(3000)), "red", "a red thing, or so")
    among = scores(find(many), many)

    assert among["red"] == pytest.approx(alone["red"], abs=1e-5)


def test_names_are_not_affected_by_phrases_asked_with_them() -> None:
    mixed = [*names("red"), Prompt(PromptKind.PHRASE, "the blue one")]
    segmentation = FakeSegmentation()

    found = scores(find(mixed, segmentation=segmentation), mixed)

    assert found["red"] == scores(find(names("red")), names("red"))["red"]
    assert found["the blue one"] > 0.99
    assert segmentation.detector.passes == [(1, 0), (1, 1)]


def test_thresholds_are_those_of_the_kind_or_those_that_are_asked() -> None:
    prompts = [
        *names("red"),
        Prompt(PromptKind.PHRASE, "the red one"),
        Prompt(PromptKind.SENTENCE, "It is red."),
    ]

    calibrated = by_prompt(find(prompts))
    asked = by_prompt(find(prompts, FindOptions(threshold=0.25)))

    thresholds = [calibrated[place].found_by for place in range(3)]
    assert [each.threshold for each in thresholds if each is not None] == [0.5, 0.6, 0.7]
    assert {each.found_by.threshold for each in asked.values() if each.found_by is not None} == {0.25}


def test_nothing_reaches_a_threshold_of_1_and_that_is_no_error() -> None:
    found = find(names("red"), FindOptions(threshold=1.0))

    assert found.regions == ()
    assert found.rungs == ()


def test_two_names_of_one_thing_both_find_it_unless_only_the_best_is_wanted() -> None:
    prompts = names("red", "red-hot")

    assert len(find(prompts).regions) == 2
    assert len(find(prompts, FindOptions(overlap=0.5)).regions) == 1


def test_commas_quotes_emoji_and_other_scripts_are_text() -> None:
    prompts = names('red, "very red"', "🦜 blue", "красный red", "a thing that is not there, with a comma")

    found = by_prompt(find(prompts))

    assert found.keys() == {0, 1, 2}


def test_contradictory_prompts_are_answered_each_for_itself() -> None:
    prompts = [
        Prompt(PromptKind.PHRASE, "the red one that is left of the blue"),
        Prompt(PromptKind.PHRASE, "the red one that is right of the blue"),
    ]

    assert by_prompt(find(prompts)).keys() == {0, 1}


def test_large_images_are_looked_at_in_tiles_and_what_is_small_in_them_is_found() -> None:
    size = (3000, 1000)
    small = Box(2200, 400, 2230, 430)
    data = painted(size, {"red": small})
    image = stored(data, size)

    def ask(*, tiles: bool | None, tiles_from_px: int = 10_000) -> FakeSegmentation:
        segmentation = FakeSegmentation({image.key: data}, tiles_from_px=tiles_from_px)
        found = segmentation.find(image, names("red"), FindOptions(tiles=tiles))
        if found.regions:
            assert found.regions[0].box == pytest.approx(small, abs=25)
        return segmentation

    assert ask(tiles=None).detector.passes == [(1, 0)]
    assert ask(tiles=True).detector.passes == [(4, 0)]
    assert ask(tiles=None, tiles_from_px=3000).detector.passes == [(4, 0)]
    assert ask(tiles=False, tiles_from_px=3000).detector.passes == [(1, 0)]


def test_a_thing_across_the_border_of_tiles_is_found_once() -> None:
    size = (900, 300)
    wide = Box(150, 50, 750, 250)
    data = painted(size, {"red": wide})
    image = stored(data, size)

    found = FakeSegmentation({image.key: data}).find(image, names("red"), FindOptions(tiles=True))

    (region,) = found.regions
    assert region.box == pytest.approx(wide, abs=12)


def test_the_record_names_the_models_that_took_part() -> None:
    assert find(names("red")).models == ("painted@1", "scored@1", "colour-reader@1")
    segmentation, prompts = exemplar("e-1")
    assert find(prompts[1:], segmentation=segmentation).models == ("painted@1", "scored@1", "colour-seer@1")


def test_what_is_asked_and_found_is_counted() -> None:
    segmentation = FakeSegmentation()

    find([*names("red", "blue"), Prompt(PromptKind.PHRASE, "green")], segmentation=segmentation)

    assert segmentation.counts.kinds == {"name": 2, "phrase": 1}
    assert segmentation.counts.regions == [2]


def test_work_ends_when_nobody_waits_any_more() -> None:
    with pytest.raises(DeadlineExceeded):
        find(names("red"), segmentation=FakeSegmentation(limit=GivenTime(given_up=True)))


def test_a_detector_that_is_down_is_unavailable() -> None:
    def down() -> None:
        raise Unavailable("the detector is down")

    with pytest.raises(Unavailable):
        find(names("red"), segmentation=FakeSegmentation(detector=PaintedDetector(before=down)))


def test_a_detector_without_masks_has_another_model_make_them_of_its_boxes() -> None:
    segmentation = FakeSegmentation(detector=PaintedDetector(masks=False))
    masker = HalfMasker()
    masking = FindRegions(segmentation.passes, segmentation.limit, segmentation.counts, masker=masker)

    found = masking(IMAGE, names("red", "blue"), NOTHING_SAID)
    nothing = masking(IMAGE, names("green"), NOTHING_SAID)

    for region in found.regions:
        assert region.mask is not None
        drawn = masks.bounding_box(masks.decode(region.mask.counts, width_px=96, height_px=72))
        middle = (region.box.left + region.box.right) / 2
        assert (drawn.left, drawn.right) == pytest.approx((region.box.left, middle), abs=3)
    assert found.models[-1] == "halves@1"
    assert masker.seen == [(72, 96)]
    assert nothing.models[-1] != "halves@1"


def test_a_detector_that_reads_all_texts_with_the_image_is_asked_so() -> None:
    segmentation = FakeSegmentation(detector=PaintedDetector(together=frozenset(PromptKind)))

    found = find([*names("red"), Prompt(PromptKind.PHRASE, "the blue one")], segmentation=segmentation)

    assert by_prompt(found).keys() == {0, 1}
    assert segmentation.detector.passes == [(1, 2)]
