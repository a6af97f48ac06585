"""Many prompts, many things found, many callers: how much is held and how often an image is seen."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    FindOptions,
    Prompt,
    PromptKind,
)
from services.segmentation.usecases import FindRegions
from services.segmentation.usecases.find import MASKS_DROPPED, REGIONS_CAPPED
from tests.fakes.finding import PaintedDetector
from tests.fakes.found import IMAGE, RED, FakeSegmentation
from tests.unit.segmentation.usecases.looking import NOTHING_SAID, find, names


def test_phrases_and_sentences_are_fused_at_most_128_a_pass() -> None:
    phrases = [Prompt(PromptKind.PHRASE, f"red thing {number}") for number in range(200)]
    sentences = [Prompt(PromptKind.SENTENCE, f"It is the red thing {number}.") for number in range(100)]
    segmentation = FakeSegmentation()

    find([*phrases, *sentences], segmentation=segmentation)

    assert segmentation.detector.passes == [(1, 128), (1, 128), (1, 44)]


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


def test_hundreds_of_phrases_hold_no_more_than_what_stays() -> None:
    phrases = [Prompt(PromptKind.PHRASE, f"the red one, number {number}") for number in range(300)]

    found = find(phrases)

    (mask,) = {region.mask for region in found.regions}
    (box,) = {region.box for region in found.regions}
    assert mask is not None
    assert box == pytest.approx(RED, abs=2)
    assert found.rungs == (REGIONS_CAPPED,)
