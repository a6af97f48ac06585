from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from fovea.kernel.v1 import image_pb2, prompt_pb2, region_pb2
from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.kernel.errors import InvalidInput, Unsupported
from services.segmentation.usecases import ProposeRegions, Stages
from tests.fakes.found import waiting_door
from tests.fakes.serving import bare

IMAGE = image_pb2.ImageReference(digest="00" * 32, key="t/c/images/00", width_px=80, height_px=60)
OUTSIDE = region_pb2.Shape(box=region_pb2.Box(left=90, top=0, right=99, bottom=9))


@pytest.fixture(scope="module")
def stubs() -> Iterator[tuple[segmentation_pb2_grpc.SegmentationServiceStub, ...]]:
    """One stub whose errors are the kernel's, and one whose errors are gRPC's."""
    with waiting_door(ProposeRegions(Stages("1.2"), check=lambda: None)) as channel:
        yield (
            segmentation_pb2_grpc.SegmentationServiceStub(channel),
            segmentation_pb2_grpc.SegmentationServiceStub(bare(channel)),
        )


Stubs = tuple[segmentation_pb2_grpc.SegmentationServiceStub, segmentation_pb2_grpc.SegmentationServiceStub]


def test_regions_and_stage_come_back(stubs: Stubs) -> None:
    answer = stubs[0].ProposeRegions(pb.ProposeRegionsRequest(image=IMAGE), timeout=10.0)

    (region,) = answer.regions
    assert region.region_id == "0"
    assert region.origin == region_pb2.REGION_ORIGIN_WHOLE_IMAGE
    assert (region.box.right, region.box.bottom) == (80, 60)
    assert not region.HasField("mask")
    assert (answer.stage.name, answer.stage.version) == ("segmentation", "1.2")


def test_a_polygon_comes_back_as_a_mask(stubs: Stubs) -> None:
    corners = [region_pb2.Point(x=x, y=y) for x, y in ((10, 10), (20, 10), (20, 30))]
    shape = region_pb2.Shape(polygon=region_pb2.Polygon(points=corners))

    answer = stubs[0].ProposeRegions(pb.ProposeRegionsRequest(image=IMAGE, shapes=[shape]), timeout=10.0)

    (region,) = answer.regions
    assert region.origin == region_pb2.REGION_ORIGIN_CALLER
    assert sum(region.mask.counts) == 80 * 60
    assert region.box.left >= 10


def test_a_box_outside_is_an_invalid_argument_with_its_field(stubs: Stubs) -> None:
    request = pb.ProposeRegionsRequest(image=IMAGE, shapes=[OUTSIDE])

    with pytest.raises(InvalidInput, match="80 x 60") as caught:
        stubs[0].ProposeRegions(request, timeout=10.0)
    assert (caught.value.field, caught.value.reason) == ("shapes[0].box", "BOX_OUTSIDE_IMAGE")

    with pytest.raises(grpc.RpcError) as raw:
        stubs[1].ProposeRegions(request, timeout=10.0)
    assert raw.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_shape_that_is_none_is_refused_with_its_field(stubs: Stubs) -> None:
    with pytest.raises(InvalidInput) as caught:
        stubs[0].ProposeRegions(
            pb.ProposeRegionsRequest(image=IMAGE, shapes=[region_pb2.Shape()]), timeout=10.0
        )

    assert caught.value.field == "shapes[0]"


def test_prompts_are_unimplemented_with_the_reason(stubs: Stubs) -> None:
    request = pb.ProposeRegionsRequest(image=IMAGE, prompts=[prompt_pb2.Prompt(name="bird")])

    with pytest.raises(Unsupported, match="send shapes") as caught:
        stubs[0].ProposeRegions(request, timeout=10.0)
    assert caught.value.reason == "NO_DETECTOR"

    with pytest.raises(grpc.RpcError) as raw:
        stubs[1].ProposeRegions(request, timeout=10.0)
    assert raw.value.code() is grpc.StatusCode.UNIMPLEMENTED
