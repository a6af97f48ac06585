import itertools
from dataclasses import replace

import pytest

from services.kernel.errors import DeadlineExceeded, InvalidInput, Unsupported
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Box, ImageReference, Mask, Prompt, PromptKind, RegionOrigin, Stage
from services.segmentation.usecases import ProposeRegions, Stages, Wish
from tests.fakes import found

IMAGE = ImageReference("00" * 32, "t/c/images/00", "image/png", 100, 8, 6)


def proposer() -> ProposeRegions:
    ticks = itertools.count(start=10.0, step=0.5)
    return ProposeRegions(Stages("1.2", clock=lambda: next(ticks)), check=lambda: None)


def test_without_shapes_the_whole_image_is_proposed() -> None:
    proposal = proposer()(Wish(IMAGE))

    assert [region.origin for region in proposal.regions] == [RegionOrigin.WHOLE_IMAGE]


def test_regions_keep_the_order_of_the_shapes_and_are_numbered() -> None:
    proposal = proposer()(Wish(IMAGE, [Box(4, 4, 5, 5), Box(0, 0, 1, 1), Mask(6, 8, (47, 1))]))

    assert [region.region_id for region in proposal.regions] == ["0", "1", "2"]
    assert [region.box.left for region in proposal.regions] == [4, 0, 7]


def test_the_record_says_who_took_part_and_how_long() -> None:
    assert proposer()(Wish(IMAGE)).stage == Stage("segmentation", "1.2", duration_s=0.5)


def test_prompts_are_unsupported_and_the_message_says_what_to_do() -> None:
    with pytest.raises(Unsupported) as caught:
        proposer()(Wish(IMAGE, prompts=[Prompt(PromptKind.NAME, "bird")]))

    assert caught.value.field == "prompts"
    assert caught.value.reason == "NO_DETECTOR"
    assert "send shapes" in caught.value.message


def test_the_field_names_the_shape_that_is_wrong() -> None:
    with pytest.raises(InvalidInput) as caught:
        proposer()(Wish(IMAGE, [Box(0, 0, 1, 1), Box(90, 90, 99, 99)]))

    assert caught.value.field == "shapes[1].box"


def test_an_image_without_a_size_is_refused() -> None:
    with pytest.raises(InvalidInput):
        proposer()(Wish(ImageReference("00" * 32, "key", "image/png", 100, 0, 0)))


def test_masks_that_are_too_finely_cut_together_are_refused_at_the_one_too_many() -> None:
    image = ImageReference("00" * 32, "key", "image/png", 100, 1000, 700)
    comb = Mask(700, 1000, (1,) * 700_000)

    assert len(proposer()(Wish(image, [comb])).regions) == 1
    with pytest.raises(InvalidInput, match=str(LIMITS.mask_runs_per_image)) as caught:
        proposer()(Wish(image, [Box(0, 0, 1, 1), comb, comb]))

    assert (caught.value.field, caught.value.reason) == ("shapes[2]", "TOO_MANY_MASK_RUNS")


def test_work_ends_when_nobody_waits_any_more() -> None:
    def given_up() -> None:
        raise DeadlineExceeded("the caller cancelled")

    propose = ProposeRegions(Stages("1.2"), check=given_up)

    with pytest.raises(DeadlineExceeded):
        propose(Wish(IMAGE, [Box(0, 0, 1, 1)]))


def test_an_image_without_prompts_is_not_even_read() -> None:
    segmentation = found.FakeSegmentation()

    proposal = segmentation.propose(Wish(found.IMAGE))

    assert [region.origin for region in proposal.regions] == [RegionOrigin.WHOLE_IMAGE]
    assert segmentation.images.reads == []


def test_prompts_find_regions_and_the_record_says_by_what() -> None:
    proposal = found.FakeSegmentation().propose(
        Wish(found.IMAGE, prompts=[Prompt(PromptKind.NAME, "red"), Prompt(PromptKind.NAME, "green")])
    )

    assert [region.origin for region in proposal.regions] == [RegionOrigin.PROMPT]
    assert proposal.stage.models == ("painted@1", "scored@1", "colour-reader@1")
    assert proposal.stage.rungs == ()


def test_what_is_not_there_gives_no_region_and_not_the_whole_image() -> None:
    wish = Wish(found.IMAGE, prompts=[Prompt(PromptKind.NAME, "green")])

    assert found.FakeSegmentation().propose(wish).regions == ()


def test_shapes_and_prompts_together_are_refused() -> None:
    wish = Wish(found.IMAGE, [Box(0, 0, 1, 1)], [Prompt(PromptKind.NAME, "red")])

    with pytest.raises(InvalidInput) as caught:
        found.FakeSegmentation().propose(wish)

    assert caught.value.reason == "SHAPES_AND_PROMPTS"


def test_an_image_of_20000_pixels_a_side_is_refused_before_it_is_read() -> None:
    image = ImageReference("00" * 32, "t/c/images/00", "image/png", 100, 20_000, 10)
    segmentation = found.FakeSegmentation()

    with pytest.raises(InvalidInput, match="16384 a side") as caught:
        segmentation.propose(Wish(image, prompts=[Prompt(PromptKind.NAME, "red")]))

    assert caught.value.reason == "IMAGE_SIZE_INVALID"
    assert segmentation.images.reads == []


def test_an_image_of_another_size_than_is_said_is_refused() -> None:
    image = replace(found.IMAGE, width_px=90)

    with pytest.raises(InvalidInput) as caught:
        found.FakeSegmentation().propose(Wish(image, prompts=[Prompt(PromptKind.NAME, "red")]))

    assert caught.value.reason == "IMAGE_SIZE_MISMATCH"
