"""Maps of a painted picture: red on the left, blue on the right."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from services.kernel.errors import InvalidInput, Unsupported
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import FindOptions, Prompt, PromptKind
from services.segmentation.usecases import DrawMaps, DrawnMap, MapKind, MapOrder, Stages
from services.segmentation.usecases.maps import map_size
from tests.fakes.encoding import InMemoryMaps
from tests.fakes.finding import PaintedDetector
from tests.fakes.found import BLUE, IMAGE, RED, FakeSegmentation, painted, stored

PROMPTS = [Prompt(PromptKind.NAME, text) for text in ("green", "blue", "red")]


def values(segmentation: FakeSegmentation, drawn: DrawnMap) -> np.ndarray:
    with Image.open(io.BytesIO(segmentation.stored.maps[drawn.key])) as picture:
        assert picture.mode == "I;16"
        found = np.asarray(picture)
    assert found.shape == (drawn.height_px, drawn.width_px)
    return found


def middle(box: tuple[float, float, float, float]) -> tuple[int, int]:
    return int(box[1] + box[3]) // 2, int(box[0] + box[2]) // 2


def test_a_semantic_map_has_the_place_of_the_prompt_and_1_in_each_pixel() -> None:
    segmentation = FakeSegmentation()

    drawn = segmentation.draw(MapOrder(IMAGE, PROMPTS, kinds=frozenset({MapKind.SEMANTIC})))

    (one,) = drawn.maps
    shown = values(segmentation, one)
    assert (one.kind, one.width_px, one.height_px) == (MapKind.SEMANTIC, 96, 72)
    assert shown[middle(BLUE)] == 2
    assert shown[middle(RED)] == 3
    assert shown[70, 5] == 0
    assert set(np.unique(shown)) == {0, 2, 3}
    assert drawn.segments == ()


def test_a_panoptic_map_has_the_id_of_a_segment_in_each_pixel() -> None:
    segmentation = FakeSegmentation()

    drawn = segmentation.draw(MapOrder(IMAGE, PROMPTS, stuff=frozenset({1})))

    semantic, panoptic = drawn.maps
    shown = values(segmentation, panoptic)
    assert (semantic.kind, panoptic.kind) == (MapKind.SEMANTIC, MapKind.PANOPTIC)
    by_prompt = {segment.prompt: segment for segment in drawn.segments}
    assert by_prompt.keys() == {1, 2}
    assert (by_prompt[1].stuff, by_prompt[2].stuff) == (True, False)
    for prompt, box in ((1, BLUE), (2, RED)):
        assert shown[middle(box)] == by_prompt[prompt].id
        assert by_prompt[prompt].area_px == np.count_nonzero(shown == by_prompt[prompt].id)


def test_phrases_and_names_are_in_one_map() -> None:
    segmentation = FakeSegmentation()
    prompts = [Prompt(PromptKind.PHRASE, "the red one"), *PROMPTS[:2]]

    (one,) = segmentation.draw(MapOrder(IMAGE, prompts, kinds=frozenset({MapKind.SEMANTIC}))).maps

    shown = values(segmentation, one)
    assert (shown[middle(RED)], shown[middle(BLUE)]) == (1, 3)


def test_what_is_too_unsure_to_be_found_still_competes_for_pixels_unless_a_score_is_asked_for() -> None:
    unsure = FakeSegmentation(detector=PaintedDetector(related=(-10.8, 0.0, 0.0)))  # 0.31; phrases need 0.6
    phrase = [Prompt(PromptKind.PHRASE, "the red one")]
    kinds = frozenset({MapKind.SEMANTIC})

    (one,) = unsure.draw(MapOrder(IMAGE, phrase, kinds=kinds)).maps
    (strict,) = unsure.draw(MapOrder(IMAGE, phrase, kinds=kinds, find=FindOptions(threshold=0.5))).maps

    assert unsure.find(IMAGE, phrase, FindOptions()).regions == ()
    assert values(unsure, one)[middle(RED)] == 1
    assert not values(unsure, strict).any()


def test_a_map_of_what_is_not_there_is_empty() -> None:
    segmentation = FakeSegmentation()

    drawn = segmentation.draw(MapOrder(IMAGE, PROMPTS[:1]))

    assert drawn.segments == ()
    assert all(not values(segmentation, one).any() for one in drawn.maps)


def test_maps_use_the_pass_that_finding_used() -> None:
    segmentation = FakeSegmentation()
    segmentation.find(IMAGE, PROMPTS, FindOptions())

    segmentation.draw(MapOrder(IMAGE, PROMPTS))

    assert segmentation.detector.passes == [(1, 0)]


def test_a_map_is_as_large_as_the_image_unless_that_is_too_large_or_less_is_asked() -> None:
    data = painted((3000, 1000), {})
    image = stored(data, (3000, 1000))

    assert map_size(image, 0) == (LIMITS.map_side_px, 683)
    assert map_size(image, 300) == (300, 100)
    assert map_size(IMAGE, 0) == (96, 72)
    assert map_size(IMAGE, 5000) == (96, 72)


def test_a_map_of_nothing_or_of_too_much_is_refused() -> None:
    segmentation = FakeSegmentation()
    many = [Prompt(PromptKind.NAME, str(number)) for number in range(LIMITS.prompts_per_map + 1)]

    phrases = [Prompt(PromptKind.PHRASE, str(number)) for number in range(LIMITS.phrases_per_map + 1)]
    for order, reason in (
        (MapOrder(IMAGE, []), "PROMPTS_MISSING"),
        (MapOrder(IMAGE, many), "TOO_MANY_PROMPTS"),
        (MapOrder(IMAGE, phrases), "TOO_MANY_PROMPTS"),
        (MapOrder(IMAGE, PROMPTS, stuff=frozenset({3})), "PROMPT_UNKNOWN"),
    ):
        with pytest.raises(InvalidInput) as caught:
            segmentation.draw(order)
        assert caught.value.reason == reason
    assert segmentation.detector.passes == []


def test_without_a_detector_or_without_masks_no_map_is_drawn() -> None:
    nobody = DrawMaps(None, InMemoryMaps(), Stages("1"))
    with pytest.raises(Unsupported) as caught:
        nobody(MapOrder(IMAGE, PROMPTS))
    assert caught.value.reason == "NO_DETECTOR"

    with pytest.raises(Unsupported) as caught:
        FakeSegmentation(detector=PaintedDetector(masks=False)).draw(MapOrder(IMAGE, PROMPTS))
    assert caught.value.reason == "NO_MASKS"
