"""What prompts find in a painted picture: red on the left, blue on the right, nothing green."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models.vision import masks
from services.kernel.errors import DeadlineExceeded, InvalidInput, NotFound, Unavailable
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    Box,
    ExemplarPicture,
    FindOptions,
    Mask,
    Prompt,
    PromptKind,
    Region,
    RegionOrigin,
)
from services.segmentation.usecases import FindRegions, Found
from services.segmentation.usecases.find import MASKS_DROPPED, REGIONS_CAPPED
from tests.fakes.encoding import GivenTime
from tests.fakes.finding import HalfMasker, PaintedDetector
from tests.fakes.found import BLUE, IMAGE, PICTURE, RED, FakeSegmentation, painted, stored

NOTHING_SAID = FindOptions()


def names(*texts: str) -> list[Prompt]:
    return [Prompt(PromptKind.NAME, text) for text in texts]


def find(
    prompts: Sequence[Prompt],
    options: FindOptions = NOTHING_SAID,
    segmentation: FakeSegmentation | None = None,
) -> Found:
    return (segmentation or FakeSegmentation()).find(IMAGE, prompts, options)


def by_prompt(found: Found) -> dict[int, Region]:
    regions = {}
    for region in found.regions:
        assert region.found_by is not None
        regions[region.found_by.prompt] = region
    return regions


def scores(found: Found, prompts: Sequence[Prompt]) -> dict[str, float]:
    by = (region.found_by for region in found.regions)
    return {prompts[each.prompt].text: each.score for each in by if each is not None}


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


def test_phrases_and_sentences_are_fused_at_most_128_a_pass() -> None:
    phrases = [Prompt(PromptKind.PHRASE, f"red thing {number}") for number in range(200)]
    sentences = [Prompt(PromptKind.SENTENCE, f"It is the red thing {number}.") for number in range(100)]
    segmentation = FakeSegmentation()

    find([*phrases, *sentences], segmentation=segmentation)

    assert segmentation.detector.passes == [(1, 128), (1, 128), (1, 44)]


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


def test_only_the_best_is_kept_across_passes_as_well() -> None:
    prompts = [*names("red"), Prompt(PromptKind.PHRASE, "the red one"), *names("blue")]

    found = find(prompts, FindOptions(overlap=0.5))

    assert len(found.regions) == 2


def test_13204_names_are_scored_2560_at_a_time_and_give_what_few_give() -> None:
    prompts = names(*(f"thing {number}" for number in range(13_202)), "red", "blue")
    segmentation = FakeSegmentation()

    found = find(prompts, segmentation=segmentation)

    assert segmentation.detector.passes == [(1, 0)]
    assert segmentation.detector.scored == [2560] * 5 + [404]
    few = find(names("red", "blue"))
    assert [region.box for region in found.regions] == [region.box for region in few.regions]
    assert [region.mask for region in found.regions] == [region.mask for region in few.regions]


def test_more_than_an_image_may_have_is_cut_to_the_best_and_said() -> None:
    prompts = names(*(f"red {number}" for number in range(LIMITS.regions_per_image + 1)))

    found = find(prompts)

    assert len(found.regions) == LIMITS.regions_per_image
    assert found.rungs == (REGIONS_CAPPED,)


def test_masks_that_are_too_many_runs_together_are_left_out_and_said() -> None:
    segmentation = FakeSegmentation()
    whole = find(names("red", "red-hot", "reddish"), segmentation=segmentation)
    first, second, third = (region.mask for region in whole.regions)
    assert first is not None
    assert second is not None
    assert third is not None
    room = len(first.counts) + len(second.counts)
    few = FindRegions(segmentation.passes, segmentation.limit, segmentation.counts, most_runs=room)

    found = few(IMAGE, names("red", "red-hot", "reddish"), NOTHING_SAID)

    assert [region.mask for region in found.regions] == [first, second, None]
    assert found.rungs == (MASKS_DROPPED,)
    assert [region.box for region in found.regions] == [region.box for region in whole.regions]


def test_an_image_is_seen_once_however_often_names_change() -> None:
    segmentation = FakeSegmentation()

    for text in ("red", "blue", "red"):
        find(names(text), segmentation=segmentation)

    assert segmentation.detector.passes == [(1, 0)]
    assert segmentation.images.reads == [IMAGE.key]
    assert segmentation.counted["passes"].outcomes == {"miss": 1, "hit": 2}


def test_another_detector_sees_anew() -> None:
    segmentation = FakeSegmentation()
    find(names("red"), segmentation=segmentation)
    segmentation.detector.identities = ("painted@2", "scored@2")

    find(names("red"), segmentation=segmentation)

    assert len(segmentation.detector.passes) == 2


def test_callers_at_once_share_one_pass() -> None:
    both = threading.Event()

    def wait() -> None:
        both.wait(5.0)

    segmentation = FakeSegmentation(detector=PaintedDetector(before=wait))
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(find, names(text), NOTHING_SAID, segmentation) for text in ("red", "blue")]
        while segmentation.counted["passes"].outcomes.total() < 2:
            pass
        both.set()
        found = [each.result() for each in asked]

    assert [len(each.regions) for each in found] == [1, 1]
    assert segmentation.detector.passes == [(1, 0)]


def test_a_text_is_read_once_and_a_list_that_was_asked_is_not_put_together_again() -> None:
    segmentation = FakeSegmentation()

    find(names("red", "blue"), segmentation=segmentation)
    find(names("blue", "green"), segmentation=segmentation)
    find(names("blue", "green"), segmentation=segmentation)

    assert segmentation.reader.batches == [("red", "blue"), ("green",)]
    assert segmentation.counted["prompts"].outcomes == {"miss": 3, "hit": 1}
    assert segmentation.counted["lists"].outcomes == {"miss": 2, "hit": 1}


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


def test_hundreds_of_phrases_hold_no_more_than_what_stays() -> None:
    phrases = [Prompt(PromptKind.PHRASE, f"the red one, number {number}") for number in range(300)]

    found = find(phrases)

    (mask,) = {region.mask for region in found.regions}
    (box,) = {region.box for region in found.regions}
    assert mask is not None
    assert box == pytest.approx(RED, abs=2)
    assert found.rungs == (REGIONS_CAPPED,)


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
