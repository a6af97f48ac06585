"""What is wrong is refused at the door, with the field, a reason for programs, and what to do."""

from __future__ import annotations

import io
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from PIL import Image

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1 import region_pb2
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import ImageReference
from services.runtime.codec.region import write_image
from tests.fakes.encoded import IMAGE, PICTURE, FakeEncoding, reference, waiting_door
from tests.fakes.serving import bare

Stub = encoding_pb2_grpc.EncodingServiceStub
BOTH = (pb.REGION_READING_CROP, pb.REGION_READING_DENSE)


def strip(width_px: int, height_px: int) -> tuple[bytes, ImageReference]:
    """Return a blue strip."""
    packed = io.BytesIO()
    Image.new("RGB", (width_px, height_px), "blue").save(packed, "PNG")
    return packed.getvalue(), reference(packed.getvalue(), size=(width_px, height_px))


TALL, TALL_IMAGE = strip(1, 16_000)
TOO_TALL, TOO_TALL_IMAGE = strip(1, 20_000)


@pytest.fixture(scope="module")
def encoding() -> FakeEncoding:
    return FakeEncoding({IMAGE.key: PICTURE, TALL_IMAGE.key: TALL, TOO_TALL_IMAGE.key: TOO_TALL})


@pytest.fixture(scope="module")
def channel(encoding: FakeEncoding) -> Iterator[grpc.Channel]:
    with waiting_door(encoding) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.Channel) -> Stub:
    return Stub(channel)


def region(box: tuple[float, float, float, float], mask: region_pb2.Mask | None = None) -> region_pb2.Region:
    edges = dict(zip(("left", "top", "right", "bottom"), box, strict=True))
    return region_pb2.Region(region_id="7", box=region_pb2.Box(**edges), mask=mask)


def asked(
    *regions: region_pb2.Region,
    image: ImageReference = IMAGE,
    reading: pb.RegionReading.ValueType = pb.REGION_READING_CROP,
    spaces: tuple[str, ...] = (),
) -> pb.EncodeRegionsRequest:
    return pb.EncodeRegionsRequest(image=write_image(image), regions=regions, reading=reading, spaces=spaces)


def refused(stub: Stub, request: pb.EncodeRegionsRequest) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        stub.EncodeRegions(request, timeout=10.0)
    return caught.value


@pytest.mark.parametrize("reading", BOTH)
def test_a_region_outside_the_image(stub: Stub, reading: pb.RegionReading.ValueType) -> None:
    error = refused(stub, asked(region((100, 100, 120, 120)), reading=reading))

    assert (error.field, error.reason) == ("regions", "REGION_INVALID")
    assert "region 7: no pixel of the 40 x 30 image" in error.message
    assert "regions are in pixels of the upright image" in error.message


@pytest.mark.parametrize("reading", BOTH)
def test_a_mask_of_another_size_than_the_image(stub: Stub, reading: pb.RegionReading.ValueType) -> None:
    mask = region_pb2.Mask(height_px=40, width_px=30, counts=[0, 1200])

    error = refused(stub, asked(region((0, 0, 9, 9), mask), reading=reading))

    assert (error.field, error.reason) == ("regions", "REGION_INVALID")
    assert "its mask is 30 x 40 pixels, the image 40 x 30" in error.message


@pytest.mark.parametrize("reading", BOTH)
def test_ten_thousand_regions(
    stub: Stub, encoding: FakeEncoding, reading: pb.RegionReading.ValueType
) -> None:
    before = (list(encoding.eyes.batches), list(encoding.tiles.batches))

    error = refused(stub, asked(*[region((0, 0, 9, 9))] * 10_000, reading=reading))

    assert (error.field, error.reason) == ("regions", "TOO_MANY_REGIONS")
    assert f"regions has 10000 entries, at most {LIMITS.regions_per_image} are allowed" in error.message
    assert (encoding.eyes.batches, encoding.tiles.batches) == before


@pytest.mark.parametrize("reading", BOTH)
def test_an_image_one_pixel_wide_is_seen_and_one_that_is_too_tall_is_refused(
    stub: Stub, reading: pb.RegionReading.ValueType
) -> None:
    tall = asked(region((0, 0, 1, 16_000)), image=TALL_IMAGE, reading=reading, spaces=("visual",))
    (found,) = stub.EncodeRegions(tall, timeout=10.0).regions
    error = refused(stub, asked(region((0, 0, 1, 20_000)), image=TOO_TALL_IMAGE, reading=reading))

    seen = np.frombuffer(found.embeddings[0].vector, dtype="<f4")
    assert np.linalg.norm(seen) == pytest.approx(1)
    assert (error.field, error.reason) == ("image", "IMAGE_TOO_MANY_PIXELS")
    assert "the image has 1 x 20,000 pixels; accepted are" in error.message


def test_a_reading_that_nobody_knows(channel: grpc.Channel) -> None:
    error = refused(Stub(channel), asked(region((0, 0, 9, 9)), reading=9))  # type: ignore[arg-type]  # none of them

    assert (error.field, error.reason) == ("reading", "READING_UNKNOWN")
    assert "1 reads crops, 2 a map" in error.message


def test_a_space_that_nobody_serves_is_answered_by_the_first_encoder_and_the_record_says_so(
    stub: Stub,
) -> None:
    found = stub.EncodeRegions(asked(region((0, 0, 9, 9)), spaces=("gone",)), timeout=10.0)

    assert list(found.stage.rungs) == ["space_missing"]
    assert [each.space for each in found.regions[0].embeddings] == ["visual", "name"]


def test_texts_for_a_space_that_nobody_serves(stub: Stub) -> None:
    with pytest.raises(InvalidInput, match="into gone here, but into name, old: see FOVEA") as caught:
        stub.EncodeTexts(pb.EncodeTextsRequest(texts=["wren"], space="gone"), timeout=10.0)

    assert (caught.value.field, caught.value.reason) == ("space", "SPACE_NOT_SERVED")


@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [
        ("x" * 100_000, "TEXT_TOO_LONG", "has 100000 characters, at most 2000 are allowed"),
        ("", "TEXT_EMPTY", "is empty"),
        ("  \n", "TEXT_EMPTY", "is empty"),
    ],
)
def test_a_text_of_100_000_characters_or_none(stub: Stub, text: str, reason: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        stub.EncodeTexts(pb.EncodeTextsRequest(texts=["wren", text]), timeout=10.0)

    assert (caught.value.field, caught.value.reason) == ("texts[1]", reason)


def test_more_vectors_than_the_caller_can_take(stub: Stub) -> None:
    request = pb.EncodeMapsRequest(image=write_image(TALL_IMAGE), most_vectors=5)

    with pytest.raises(InvalidInput, match="allow as many, or send a smaller image") as caught:
        stub.EncodeMaps(request, timeout=10.0)

    assert (caught.value.field, caught.value.reason) == ("most_vectors", "TOO_MANY_VECTORS")


def test_it_is_an_invalid_argument_for_whoever_speaks_plain_grpc(channel: grpc.Channel) -> None:
    plain = Stub(bare(channel))  # type: ignore[arg-type]  # our own channel, which wraps gRPC's

    with pytest.raises(grpc.RpcError) as raw:
        plain.EncodeRegions(asked(region((100, 100, 120, 120))), timeout=10.0)

    assert raw.value.code() is grpc.StatusCode.INVALID_ARGUMENT
