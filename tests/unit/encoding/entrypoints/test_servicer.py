from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
import pytest

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1 import region_pb2
from services.kernel.errors import InvalidInput, NotFound
from services.kernel.limits import LIMITS
from services.runtime.codec.region import write_image
from tests.fakes.encoded import IMAGE, PICTURE, FakeEncoding, reference, waiting_door
from tests.fakes.serving import bare

Stub = encoding_pb2_grpc.EncodingServiceStub
BOX = region_pb2.Box(left=0, top=0, right=20, bottom=30)
REGION = region_pb2.Region(region_id="7", box=BOX, origin=region_pb2.REGION_ORIGIN_CALLER)


@pytest.fixture(scope="module")
def stubs() -> Iterator[tuple[Stub, Stub]]:
    """One stub whose errors are the kernel's, and one whose errors are gRPC's."""
    text = b"I am a text"
    encoding = FakeEncoding({IMAGE.key: PICTURE, reference(text).key: text})
    with waiting_door(encoding) as channel:
        yield Stub(channel), Stub(bare(channel))


def test_embeddings_come_back_as_little_endian_floats_of_unit_length(stubs: tuple[Stub, Stub]) -> None:
    request = pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[REGION])

    answer = stubs[0].EncodeRegions(request, timeout=10.0)

    (region,) = answer.regions
    assert region.region_id == "7"
    assert [embedding.space for embedding in region.embeddings] == ["visual", "name"]
    vector = np.frombuffer(region.embeddings[0].vector, dtype="<f4")
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert vector.argmax() == 0  # red
    assert (answer.stage.name, answer.stage.version) == ("encoding", "1.2")
    assert list(answer.stage.models) == ["colours@1", "bridge@1"]


def test_texts_come_back_in_order(stubs: tuple[Stub, Stub]) -> None:
    answer = stubs[0].EncodeTexts(pb.EncodeTextsRequest(texts=["wren", "robin"]), timeout=10.0)
    turned = stubs[0].EncodeTexts(pb.EncodeTextsRequest(texts=["robin", "wren"]), timeout=10.0)

    assert list(answer.embeddings) == list(reversed(turned.embeddings))
    assert {embedding.space for embedding in answer.embeddings} == {"name"}
    assert list(answer.stage.models) == ["letters@1"]


def test_bytes_that_are_no_picture_are_an_invalid_argument_of_the_field_image(
    stubs: tuple[Stub, Stub],
) -> None:
    request = pb.EncodeRegionsRequest(image=write_image(reference(b"I am a text")), regions=[REGION])

    with pytest.raises(InvalidInput) as caught:
        stubs[0].EncodeRegions(request, timeout=10.0)
    assert (caught.value.field, caught.value.reason) == ("image", "IMAGE_FORMAT_UNKNOWN")

    with pytest.raises(grpc.RpcError) as raw:
        stubs[1].EncodeRegions(request, timeout=10.0)
    assert raw.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_image_that_is_not_there_is_not_found(stubs: tuple[Stub, Stub]) -> None:
    request = pb.EncodeRegionsRequest(image=write_image(reference(b"elsewhere")), regions=[REGION])

    with pytest.raises(NotFound):
        stubs[0].EncodeRegions(request, timeout=10.0)


def test_where_nothing_was_found_nothing_is_encoded(stubs: tuple[Stub, Stub]) -> None:
    answer = stubs[0].EncodeRegions(pb.EncodeRegionsRequest(image=write_image(IMAGE)), timeout=10.0)

    assert (list(answer.regions), answer.stage.name) == ([], "encoding")


def test_too_many_texts_are_refused_and_the_message_names_the_limit(stubs: tuple[Stub, Stub]) -> None:
    request = pb.EncodeTextsRequest(texts=["x"] * (LIMITS.texts_per_request + 1))

    with pytest.raises(InvalidInput, match=str(LIMITS.texts_per_request)) as caught:
        stubs[0].EncodeTexts(request, timeout=10.0)

    assert caught.value.field == "texts"


def test_a_text_with_a_line_break_is_refused_by_its_place(stubs: tuple[Stub, Stub]) -> None:
    with pytest.raises(InvalidInput) as caught:
        stubs[0].EncodeTexts(pb.EncodeTextsRequest(texts=["wren", "two\nlines"]), timeout=10.0)

    assert caught.value.field == "texts[1]"
