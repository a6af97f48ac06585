"""Prompts at the waiting door: one image, a stream of them, and what a hostile caller may send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from fovea.kernel.v1 import prompt_pb2, region_pb2
from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from models.vision import masks
from services.kernel.errors import InvalidInput, Unavailable
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Box, ImageReference
from services.runtime.codec.region import write_image
from services.runtime.grpc_channel import Channel
from tests.fakes.finding import PaintedDetector
from tests.fakes.found import BLUE, IMAGE, PICTURE, FakeSegmentation, painted, stored, waiting_door

Stub = segmentation_pb2_grpc.SegmentationServiceStub
GREEN_DATA = painted((64, 64), {"green": Box(8, 8, 40, 40)})
GREEN = stored(GREEN_DATA, (64, 64))


def words(*texts: str) -> list[prompt_pb2.Prompt]:
    return [prompt_pb2.Prompt(name=text) for text in texts]


def request(image: ImageReference, prompts: Sequence[prompt_pb2.Prompt]) -> pb.ProposeRegionsRequest:
    return pb.ProposeRegionsRequest(image=write_image(image), prompts=prompts)


@pytest.fixture
def segmentation() -> FakeSegmentation:
    return FakeSegmentation({IMAGE.key: PICTURE, GREEN.key: GREEN_DATA})


@pytest.fixture
def stub(segmentation: FakeSegmentation) -> Iterator[Stub]:
    with waiting_door(segmentation.propose, segmentation.draw) as channel:
        yield Stub(channel)


def refused(stub: Stub, prompts: Sequence[prompt_pb2.Prompt]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        stub.ProposeRegions(request(IMAGE, prompts), timeout=10.0)
    return caught.value


def test_what_prompts_find_comes_back_with_box_mask_prompt_and_score(stub: Stub) -> None:
    answer = stub.ProposeRegions(request(IMAGE, words("green", "blue")), timeout=10.0)

    (region,) = answer.regions
    box = region.box
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx(BLUE, abs=2)
    assert region.origin == region_pb2.REGION_ORIGIN_PROMPT
    assert sum(region.mask.counts) == 96 * 72
    assert region.found_by.prompt == 1
    assert region.found_by.score > region.found_by.threshold


def test_masks_come_back_as_polygons_where_they_are_asked_for_and_show_the_same_pixels(stub: Stub) -> None:
    asked = request(IMAGE, words("red", "blue"))
    as_runs = stub.ProposeRegions(asked, timeout=10.0).regions
    asked.find.mask_format = region_pb2.MASK_FORMAT_POLYGONS
    (streamed,) = stub.ProposeRegionsStream(iter([pb.ProposeRegionsStreamRequest(item=asked)]), timeout=10.0)

    as_polygons = stub.ProposeRegions(asked, timeout=10.0).regions

    assert list(streamed.proposed.regions) == list(as_polygons)
    assert len(as_runs) == len(as_polygons) == 2
    for runs, drawn in zip(as_runs, as_polygons, strict=True):
        assert not drawn.HasField("mask")
        assert 3 <= sum(len(polygon.points) for polygon in drawn.polygons) <= LIMITS.polygon_points_per_mask
        corners = [np.array([(point.x, point.y) for point in polygon.points]) for polygon in drawn.polygons]
        np.testing.assert_array_equal(
            masks.rasterise(corners, width_px=96, height_px=72),
            masks.decode(runs.mask.counts, width_px=96, height_px=72),
        )
        drawn.ClearField("polygons")
        runs.ClearField("mask")
        assert drawn == runs


def test_a_shape_comes_back_as_polygons_too_and_a_box_without(stub: Stub) -> None:
    triangle = [region_pb2.Point(x=x, y=y) for x, y in ((8, 8), (40, 8), (8, 40))]
    shapes = [
        region_pb2.Shape(polygon=region_pb2.Polygon(points=triangle)),
        region_pb2.Shape(box=region_pb2.Box(left=1, top=1, right=5, bottom=5)),
    ]
    asked = pb.ProposeRegionsRequest(image=write_image(IMAGE), shapes=shapes)
    asked.find.mask_format = region_pb2.MASK_FORMAT_POLYGONS

    drawn, box = stub.ProposeRegions(asked, timeout=10.0).regions

    assert not drawn.HasField("mask")
    assert {(point.x, point.y) for point in drawn.polygons[0].points} >= {(8, 8), (8, 39)}
    assert not box.polygons


def test_a_form_of_masks_that_nobody_knows_is_refused(stub: Stub) -> None:
    asked = request(IMAGE, words("red"))
    asked.find.mask_format = 7  # type: ignore[assignment]  # of a newer release

    with pytest.raises(InvalidInput) as caught:
        stub.ProposeRegions(asked, timeout=10.0)

    assert (caught.value.field, caught.value.reason) == ("find.mask_format", "MASK_FORMAT_UNKNOWN")


def test_images_of_a_stream_have_prompts_of_their_own_and_keep_their_order(stub: Stub) -> None:
    items = [
        pb.ProposeRegionsStreamRequest(item_id="a", item=request(IMAGE, words("red", "green"))),
        pb.ProposeRegionsStreamRequest(item_id="b", item=request(GREEN, words("red", "blue", "green"))),
        pb.ProposeRegionsStreamRequest(item_id="c", item=request(IMAGE, words(""))),
        pb.ProposeRegionsStreamRequest(item_id="d", item=request(IMAGE, [])),
    ]

    a, b, c, d = stub.ProposeRegionsStream(iter(items), timeout=10.0)

    assert [each.item_id for each in (a, b, c, d)] == ["a", "b", "c", "d"]
    assert [region.found_by.prompt for region in a.proposed.regions] == [0]
    assert [region.found_by.prompt for region in b.proposed.regions] == [2]
    assert (c.failure.reason, c.failure.field) == ("TEXT_EMPTY", "prompts[0].name")
    assert [region.origin for region in d.proposed.regions] == [region_pb2.REGION_ORIGIN_WHOLE_IMAGE]


def test_a_prompt_of_100000_characters_is_refused_by_its_place(stub: Stub) -> None:
    error = refused(stub, words("red", "x" * 100_000))

    assert (error.field, error.reason) == ("prompts[1].name", "TEXT_TOO_LONG")


def test_more_prompts_than_an_image_may_have_are_refused(stub: Stub) -> None:
    error = refused(stub, words(*(str(number) for number in range(LIMITS.prompts_per_image + 1))))

    assert error.reason == "TOO_MANY_PROMPTS"


def test_the_same_prompt_twice_is_refused_and_in_another_kind_it_is_another(stub: Stub) -> None:
    assert refused(stub, words("red", "blue", "red")).field == "prompts[2].name"
    both = [*words("red"), prompt_pb2.Prompt(phrase="red")]
    assert len(stub.ProposeRegions(request(IMAGE, both), timeout=10.0).regions) == 2


def test_a_prompt_that_says_nothing_is_refused(stub: Stub) -> None:
    assert refused(stub, [prompt_pb2.Prompt()]).reason == "PROMPT_MISSING"
    assert refused(stub, words("   ")).reason == "TEXT_EMPTY"


def test_a_threshold_that_is_no_probability_is_refused(stub: Stub) -> None:
    asked = request(IMAGE, words("red"))
    asked.find.threshold = 1.5

    with pytest.raises(InvalidInput) as caught:
        stub.ProposeRegions(asked, timeout=10.0)

    assert caught.value.field == "find.threshold"


def test_an_exemplar_that_nobody_looked_up_is_refused_by_its_place(stub: Stub) -> None:
    error = refused(stub, [prompt_pb2.Prompt(exemplar_id="e-1")])

    assert (error.field, error.reason) == ("prompts[0].exemplar_id", "EXEMPLAR_WITHOUT_PICTURE")


def test_a_detector_that_is_down_is_said_and_the_whole_image_still_proposed() -> None:
    def down() -> None:
        raise Unavailable("the detector is down", reason="MODEL_DOWN")

    segmentation = FakeSegmentation(detector=PaintedDetector(before=down))
    with waiting_door(segmentation.propose) as channel:
        assert len(_asked(channel, []).regions) == 1
        with pytest.raises(Unavailable):
            _asked(channel, words("red"))


def _asked(channel: Channel, prompts: Sequence[prompt_pb2.Prompt]) -> pb.ProposeRegionsResponse:
    answer: pb.ProposeRegionsResponse = Stub(channel).ProposeRegions(request(IMAGE, prompts), timeout=2.0)
    return answer
