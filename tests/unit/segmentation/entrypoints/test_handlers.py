from __future__ import annotations

import pytest

from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.kernel.v1 import envelope_pb2, image_pb2, prompt_pb2, region_pb2
from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.kernel.errors import InvalidInput, Unsupported
from services.runtime.codec.region import write_image
from services.segmentation.entrypoints.handlers import OnImagesSubmitted
from services.segmentation.usecases import ProposeRegions, Stages
from tests.fakes.found import IMAGE as SEEN
from tests.fakes.found import FakeSegmentation, waiting_door

IMAGE = image_pb2.ImageReference(digest="00" * 32, key="t/c/images/00", width_px=80, height_px=60)
SHAPES = [
    region_pb2.Shape(box=region_pb2.Box(left=-5, top=1, right=9, bottom=9)),
    region_pb2.Shape(
        polygon=region_pb2.Polygon(
            points=[region_pb2.Point(x=1, y=1), region_pb2.Point(x=70, y=5), region_pb2.Point(x=9, y=50)]
        )
    ),
    region_pb2.Shape(mask=region_pb2.Mask(height_px=60, width_px=80, counts=[100, 9, 4691])),
]


def propose() -> ProposeRegions:
    return ProposeRegions(Stages("1.2", clock=lambda: 3.0), check=lambda: None)


def submitted(options: envelope_pb2.RecognitionOptions) -> gateway_events.ImageSubmitted:
    earlier = envelope_pb2.Stage(name="gateway", version="1")
    return gateway_events.ImageSubmitted(
        envelope=envelope_pb2.Envelope(
            recognition_id="r1", image=IMAGE, options=options, stages=[earlier], trace_id="77"
        )
    )


def asked(request: pb.ProposeRegionsRequest) -> pb.ProposeRegionsResponse:
    with waiting_door(propose()) as channel:
        return segmentation_pb2_grpc.SegmentationServiceStub(channel).ProposeRegions(request, timeout=10.0)


@pytest.mark.parametrize("shapes", [[], SHAPES])
def test_both_doors_give_the_same_regions_and_the_same_stage(shapes: list[region_pb2.Shape]) -> None:
    event = OnImagesSubmitted(propose())(submitted(envelope_pb2.RecognitionOptions(shapes=shapes)))
    answer = asked(pb.ProposeRegionsRequest(image=IMAGE, shapes=shapes))

    assert list(event.regions) == list(answer.regions)
    assert event.envelope.stages[-1] == answer.stage
    assert len(event.regions) == max(1, len(shapes))


def test_the_envelope_travels_on_with_one_more_stage() -> None:
    before = submitted(envelope_pb2.RecognitionOptions(shapes=SHAPES, size=3))

    after = OnImagesSubmitted(propose())(before).envelope

    assert [stage.name for stage in after.stages] == ["gateway", "segmentation"]
    assert (after.recognition_id, after.trace_id, after.options.size) == ("r1", "77", 3)
    assert list(after.options.shapes) == SHAPES


def test_the_same_event_gives_the_same_result() -> None:
    event = submitted(envelope_pb2.RecognitionOptions(shapes=SHAPES))
    handle = OnImagesSubmitted(propose())

    assert handle(event).SerializeToString(deterministic=True) == handle(event).SerializeToString(
        deterministic=True
    )


def test_a_shape_outside_is_refused_with_the_same_field_as_at_the_other_door() -> None:
    outside = region_pb2.Shape(box=region_pb2.Box(left=90, top=0, right=99, bottom=9))

    with pytest.raises(InvalidInput) as caught:
        OnImagesSubmitted(propose())(submitted(envelope_pb2.RecognitionOptions(shapes=[outside])))

    assert caught.value.field == "shapes[0].box"


def test_prompts_are_unsupported_at_this_door_too() -> None:
    options = envelope_pb2.RecognitionOptions(prompts=[prompt_pb2.Prompt(name="bird")])

    with pytest.raises(Unsupported):
        OnImagesSubmitted(propose())(submitted(options))


def test_prompts_find_the_same_regions_at_both_doors_and_pass_on_what_found_them() -> None:
    prompts = [prompt_pb2.Prompt(name="red"), prompt_pb2.Prompt(phrase="the blue one")]
    find = prompt_pb2.FindOptions(threshold=0.4)
    options = envelope_pb2.RecognitionOptions(prompts=prompts, find=find)
    event = submitted(options)
    event.envelope.image.CopyFrom(write_image(SEEN))

    proposed = OnImagesSubmitted(FakeSegmentation().propose)(event)
    with waiting_door(FakeSegmentation().propose) as channel:
        request = pb.ProposeRegionsRequest(image=write_image(SEEN), prompts=prompts, find=find)
        answer = segmentation_pb2_grpc.SegmentationServiceStub(channel).ProposeRegions(request, timeout=10.0)

    assert list(proposed.regions) == list(answer.regions)
    assert proposed.envelope.stages[-1] == answer.stage
    assert sorted(region.found_by.prompt for region in proposed.regions) == [0, 1]
    assert {region.found_by.threshold for region in proposed.regions} == {0.4}


def test_the_next_step_gets_pixels_whatever_the_caller_is_answered_with() -> None:
    find = prompt_pb2.FindOptions(mask_format=region_pb2.MASK_FORMAT_POLYGONS)
    options = envelope_pb2.RecognitionOptions(prompts=[prompt_pb2.Prompt(name="red")], find=find)
    event = submitted(options)
    event.envelope.image.CopyFrom(write_image(SEEN))

    proposed = OnImagesSubmitted(FakeSegmentation().propose)(event)

    (region,) = proposed.regions
    assert region.mask.counts
    assert not region.polygons
    assert proposed.envelope.options.find == find


def test_an_image_in_which_nothing_is_found_passes_on_no_region() -> None:
    event = submitted(envelope_pb2.RecognitionOptions(prompts=[prompt_pb2.Prompt(name="green")]))
    event.envelope.image.CopyFrom(write_image(SEEN))

    assert not OnImagesSubmitted(FakeSegmentation().propose)(event).regions
