"""Regions of many images as a stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1 import region_pb2
from services.kernel.limits import LIMITS
from services.runtime.codec.region import write_image
from tests.fakes.encoded import IMAGE, PICTURE, FakeEncoding, reference, waiting_door

Stub = encoding_pb2_grpc.EncodingServiceStub
TEXT = b"I am a text"


def item(
    name: str, *, left: float = 0, image: bytes = PICTURE, dense: bool = False
) -> pb.EncodeRegionsStreamRequest:
    box = region_pb2.Box(left=left, top=0, right=left + 1, bottom=30)
    return pb.EncodeRegionsStreamRequest(
        item_id=name,
        item=pb.EncodeRegionsRequest(
            image=write_image(reference(image)),
            regions=[region_pb2.Region(region_id="0", box=box)],
            reading=pb.REGION_READING_DENSE if dense else pb.REGION_READING_CROP,
        ),
    )


@pytest.fixture
def encoding() -> FakeEncoding:
    return FakeEncoding({IMAGE.key: PICTURE, reference(TEXT).key: TEXT})


@pytest.fixture
def stub(encoding: FakeEncoding) -> Iterator[Stub]:
    with waiting_door(encoding) as channel:
        yield Stub(channel)


def test_answers_come_in_order_and_are_what_single_calls_give(stub: Stub) -> None:
    items = [item(f"i{n}", left=n, dense=n % 2 == 0) for n in range(20)]

    answers = list(stub.EncodeRegionsStream(iter(items), timeout=30.0))

    assert [answer.item_id for answer in answers] == [each.item_id for each in items]
    for answer, each in zip(answers, items, strict=True):
        assert answer.encoded.regions == stub.EncodeRegions(each.item, timeout=10.0).regions


def test_one_that_fails_carries_its_failure_and_the_stream_goes_on(stub: Stub) -> None:
    items = [item("good"), item("bad", image=TEXT), item("away", image=b"elsewhere"), item("last", left=3)]

    good, bad, away, last = stub.EncodeRegionsStream(iter(items), timeout=30.0)

    assert good.HasField("encoded")
    assert last.HasField("encoded")
    assert (bad.item_id, bad.failure.status) == ("bad", "INVALID_ARGUMENT")
    assert (bad.failure.field, bad.failure.reason) == ("image", "IMAGE_FORMAT_UNKNOWN")
    assert (away.failure.status, away.failure.reason) == ("NOT_FOUND", "NOT_FOUND")


def test_no_more_items_of_a_stream_are_under_way_than_its_window_takes(
    encoding: FakeEncoding, stub: Stub
) -> None:
    go = threading.Event()

    def before() -> None:
        assert go.wait(10)

    encoding.eyes.before = before
    answers = stub.EncodeRegionsStream((item(str(n), left=n % 39) for n in range(39)), timeout=30.0)
    end_s = time.monotonic() + 10
    while len(encoding.images.reads) < LIMITS.stream_window and time.monotonic() < end_s:
        time.sleep(0.005)
    time.sleep(0.05)  # for one more to come, if it could
    under_way = len(encoding.images.reads)
    go.set()

    assert len(list(answers)) == 39
    assert under_way == LIMITS.stream_window


def test_an_item_whose_region_is_no_box_is_a_failure_of_its_own(stub: Stub) -> None:
    request = pb.EncodeRegionsStreamRequest(
        item_id="none",
        item=pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[region_pb2.Region(region_id="0")]),
    )

    (answer,) = stub.EncodeRegionsStream(iter([request]), timeout=10.0)

    assert (answer.failure.field, answer.failure.reason) == ("regions[0].box", "BOX_EMPTY")
