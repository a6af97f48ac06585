"""Bad pictures and bad requests get a clear typed error, and the server lives on."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from fovea.gateway.v1 import gateway_pb2, memory_pb2
from fovea.kernel.v1.envelope_pb2 import RecognitionOptions
from fovea.kernel.v1.recognition_pb2 import RECOGNITION_STATE_FAILED
from fovea.kernel.v1.region_pb2 import Box, Mask, Shape
from services.kernel.limits import LIMITS
from tests.e2e import pictures
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.waiting import eventually, unless_missing

WRONG = pictures.wrong()
ODD = pictures.odd()


def _details(error: grpc.RpcError) -> tuple[str, str]:
    """Return reason and field of a status."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    assert status is not None, error
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, bad):
            if detail.Is(message.DESCRIPTOR):
                detail.Unpack(message)
    return info.reason, bad.field_violations[0].field if bad.field_violations else ""


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_picture_is_refused_with_its_reason(calls: Calls, name: str) -> None:
    image, reason = WRONG[name]

    with pytest.raises(grpc.RpcError) as refused:
        calls.recognize(image)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    found, field = _details(refused.value)
    assert found == reason
    assert "image" in field


def test_a_stream_goes_on_after_what_is_no_picture(calls: Calls) -> None:
    images = [pictures.png("poppy"), *(image for image, _ in WRONG.values()), pictures.png("fern")]
    requests = (gateway_pb2.RecognizeStreamRequest(task=calls.task(image)) for image in images)

    answers = list(calls.gateway.RecognizeStream(requests, timeout=TIMEOUT_S))

    kinds = [answer.WhichOneof("result") for answer in answers]
    assert kinds == ["recognition", *["failure"] * len(WRONG), "recognition"]
    assert [answer.failure.reason for answer in answers[1:-1]] == [reason for _, reason in WRONG.values()]


def test_teaching_goes_on_after_what_is_no_picture(calls: Calls) -> None:
    lessons = [("poppy", pictures.png("poppy")), *(("x", image) for image, _ in WRONG.values())]

    answers = calls.remember([*lessons, ("fern", pictures.png("fern"))])

    kinds = [answer.WhichOneof("result") for answer in answers]
    assert kinds == ["memory_version", *["failure"] * len(WRONG), "memory_version"]
    assert [answer.failure.reason for answer in answers[1:-1]] == [reason for _, reason in WRONG.values()]
    assert calls.labels(min_memory_version=answers[-1].memory_version) == {"fern": 1, "poppy": 1}


def test_a_picture_that_breaks_on_the_way_ends_its_recognition_as_failed(calls: Calls) -> None:
    image, reason = WRONG["truncated jpeg"]
    (answer,) = calls.submit({"broken": image}, submission_id="batch")
    assert answer.HasField("receipt"), answer

    record = eventually(lambda: unless_missing(lambda: calls.recognition("broken")))

    assert record.state == RECOGNITION_STATE_FAILED
    assert record.failure.reason == reason
    assert record.failure.status == "INVALID_ARGUMENT"
    progress = eventually(lambda: ((found := calls.submission("batch")).failed and found) or None)
    assert (progress.accepted, progress.completed, progress.failed) == (1, 0, 1)


@pytest.mark.parametrize("name", ODD)
def test_an_unusual_picture_is_read_right(calls: Calls, name: str) -> None:
    calls.remember([(label, pictures.png(label, seed=0)) for label in pictures.COLOURS])

    record = calls.recognize(ODD[name])

    image = record.envelope.image
    assert (image.width_px, image.height_px) == (128, 128)
    if name != "16 bit":  # it has no colour, by which these drawings are told apart
        assert record.regions[0].ranking.labels[0].label == "poppy"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (RecognitionOptions(shapes=[Shape(box=Box(left=500, top=5, right=600, bottom=9))]), "shapes[0]"),
        (
            RecognitionOptions(shapes=[Shape(mask=Mask(height_px=128, width_px=128, counts=[128 * 128]))]),
            "shapes[0]",
        ),
        (
            RecognitionOptions(shapes=[Shape(mask=Mask(height_px=9, width_px=9, counts=[0, 81]))]),
            "shapes[0]",
        ),
        (RecognitionOptions(size=0), "size"),
    ],
)
def test_a_wrong_option_is_named(calls: Calls, options: RecognitionOptions, field: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        calls.recognize(pictures.png("poppy"), options=options)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in _details(refused.value)[1]


def test_an_unknown_collection_is_named(calls: Calls) -> None:
    calls.key.collection = "nowhere"

    with pytest.raises(grpc.RpcError, match="nowhere") as refused:
        calls.recognize(pictures.png("poppy"))

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("label", ["two\nlines", "x" * 10_000, "", "  "])
def test_a_label_that_would_spoil_a_list_is_refused(calls: Calls, label: str) -> None:
    (answer,) = calls.remember([(label, pictures.png("poppy"))])

    assert answer.failure.status == "INVALID_ARGUMENT"
    assert answer.failure.field == "label"
    assert calls.labels() == {}


def test_a_call_without_a_deadline_is_refused(calls: Calls) -> None:
    request = gateway_pb2.RecognizeRequest(task=calls.task(pictures.png("poppy")))

    with pytest.raises(grpc.RpcError) as refused:
        calls.gateway.Recognize(request)

    assert _details(refused.value)[0] == "DEADLINE_REQUIRED"


def test_a_call_whose_time_is_too_short_ends_in_time(calls: Calls) -> None:
    request = gateway_pb2.RecognizeRequest(task=calls.task(pictures.png("poppy")))

    with pytest.raises(grpc.RpcError) as late:
        calls.gateway.Recognize(request, timeout=0.001)

    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_message_over_the_limit_is_refused(calls: Calls) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        calls.recognize(b"\0" * (33 << 20))

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_image_over_its_limit_is_refused_though_its_message_fits(calls: Calls) -> None:
    image = pictures.png("poppy") + bytes(LIMITS.image_bytes)
    assert len(image) < LIMITS.message_bytes

    with pytest.raises(grpc.RpcError) as refused:
        calls.recognize(image)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert _details(refused.value) == ("IMAGE_TOO_LARGE", "image")


def test_a_cancelled_stream_leaves_the_server_working(calls: Calls) -> None:
    images = (pictures.png("poppy", seed=seed) for seed in range(1_000))
    stream = calls.gateway.RecognizeStream(
        (gateway_pb2.RecognizeStreamRequest(task=calls.task(image)) for image in images), timeout=TIMEOUT_S
    )
    next(stream)

    stream.cancel()

    assert calls.recognize(pictures.png("poppy")).regions


def test_forgetting_nothing_in_particular_is_refused(calls: Calls) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        calls.memory.Forget(memory_pb2.ForgetRequest(collection=calls.key), timeout=TIMEOUT_S)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
