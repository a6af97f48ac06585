"""The gateway's three services over a real gRPC server, with fakes behind the ports."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fovea.gateway.v1 import (
    collections_pb2,
    gateway_pb2,
    memory_pb2,
)
from fovea.kernel.v1 import (
    envelope_pb2,
    prompt_pb2,
    recognition_pb2,
    region_pb2,
)
from services.gateway.codec.recognition import write_recognition
from services.gateway.domain.recognition import Recognition, RecognitionState
from services.kernel.errors import FoveaError, InvalidInput, Unavailable, Unsupported
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Box, Mask, Region, RegionOrigin
from tests.fakes.gateway import InMemoryEndings, picture, task
from tests.fakes.gateway_case import GatewayCase
from tests.unit.gateway.entrypoints.stubs import (
    TIMEOUT_S,
    a_lesson,
    a_task,
    an_import,
    collections_of,
    gateway_of,
    memory_of,
    until,
    wait_for,
)


def _stream(*tasks: gateway_pb2.RecognitionTask) -> Iterator[gateway_pb2.RecognizeStreamRequest]:
    return (gateway_pb2.RecognizeStreamRequest(task=task) for task in tasks)


def test_one_image_is_recognised_and_its_record_found_again(case: GatewayCase) -> None:
    with gateway_of(case) as stub:
        request = gateway_pb2.RecognizeRequest(task=a_task(recognition_id="r1"))
        record = stub.Recognize(request, timeout=TIMEOUT_S).recognition
        found = stub.GetRecognition(gateway_pb2.GetRecognitionRequest(recognition_id="r1"), timeout=TIMEOUT_S)

    assert record.state == recognition_pb2.RECOGNITION_STATE_COMPLETED
    assert record.envelope.collection == envelope_pb2.CollectionKey(tenant="default", collection="default")
    assert len(record.envelope.trace_id) == 32
    assert found.recognition == record


def test_a_caller_who_asked_for_polygons_gets_them_wherever_the_record_is_shown_and_pixels_are_kept(
    case: GatewayCase,
) -> None:
    mask = Mask(6, 8, (7, 2, 4, 2, 33))
    case.segmenter.found = (Region("0", Box(1, 1, 3, 3), RegionOrigin.PROMPT, mask),)
    find = prompt_pb2.FindOptions(mask_format=region_pb2.MASK_FORMAT_POLYGONS)
    options = envelope_pb2.RecognitionOptions(prompts=[prompt_pb2.Prompt(name="owl")], find=find)
    asked = a_task(recognition_id="r1", options=options)
    with gateway_of(case) as stub:
        waited = stub.Recognize(gateway_pb2.RecognizeRequest(task=asked), timeout=TIMEOUT_S).recognition
        (streamed,) = stub.RecognizeStream(_stream(asked), timeout=TIMEOUT_S)
        found = stub.GetRecognition(gateway_pb2.GetRecognitionRequest(recognition_id="r1"), timeout=TIMEOUT_S)
    kept = case.recognitions.find("default", "r1")
    assert kept is not None
    case.endings = InMemoryEndings(kept)
    with gateway_of(case) as stub:
        _, watched = stub.WatchRecognitions(gateway_pb2.WatchRecognitionsRequest(), timeout=TIMEOUT_S)

    (region,) = (each.region for each in waited.regions)
    assert not region.HasField("mask")
    (polygon,) = region.polygons
    assert [(point.x, point.y) for point in polygon.points] == [(1, 1), (3, 1), (3, 3), (1, 3)]
    assert streamed.recognition == found.recognition == watched.recognition == waited
    assert kept.regions[0].region.mask == mask
    assert write_recognition(kept).regions[0].region.mask.counts


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (a_task(b"text"), "image"),
        (a_task(recognition_id="a/b"), "recognition_id"),
        (a_task(collection=envelope_pb2.CollectionKey(tenant="a/b")), "collection.tenant"),
        (a_task(options=envelope_pb2.RecognitionOptions(size=0)), "options.size"),
        (
            a_task(options=envelope_pb2.RecognitionOptions(min_memory_version="new")),
            "options.min_memory_version",
        ),
        (
            a_task(options=envelope_pb2.RecognitionOptions(find=prompt_pb2.FindOptions(mask_format=7))),  # type: ignore[arg-type]
            "options.find.mask_format",
        ),
    ],
)
def test_a_wrong_field_is_named(case: GatewayCase, wrong: gateway_pb2.RecognitionTask, field: str) -> None:
    with gateway_of(case) as stub, pytest.raises(InvalidInput) as refused:
        stub.Recognize(gateway_pb2.RecognizeRequest(task=wrong), timeout=TIMEOUT_S)

    assert refused.value.field == field


def test_a_stream_answers_in_order_and_goes_on_after_a_failure(case: GatewayCase) -> None:
    tasks = [a_task(recognition_id=f"r{i}") for i in range(20)]
    tasks[3] = a_task(b"text", "r3")
    with gateway_of(case) as stub:
        answers = list(stub.RecognizeStream(_stream(*tasks), timeout=TIMEOUT_S))

    assert [answer.recognition_id for answer in answers] == [f"r{i}" for i in range(20)]
    kinds = [answer.WhichOneof("result") for answer in answers]
    assert kinds == ["recognition"] * 3 + ["failure"] + ["recognition"] * 16
    failure = answers[3].failure
    assert (failure.status, failure.reason) == ("INVALID_ARGUMENT", "IMAGE_FORMAT_UNKNOWN")
    assert failure.field == "image"


def test_an_unexpected_error_of_an_item_tells_its_trace_and_nothing_else(case: GatewayCase) -> None:
    case.encoder.error = ValueError("secret detail")
    with gateway_of(case) as stub:
        (answer,) = stub.RecognizeStream(_stream(a_task()), timeout=TIMEOUT_S)

    assert answer.failure.status == "INTERNAL"
    assert "secret" not in answer.failure.message
    assert "trace" in answer.failure.message


def test_no_more_items_than_the_window_are_worked_on(case: GatewayCase) -> None:
    gate = threading.Event()
    case.encoder.before = lambda: wait_for(gate)
    with gateway_of(case) as stub:
        answers = stub.RecognizeStream(_stream(*[a_task()] * 30), timeout=TIMEOUT_S)
        until(lambda: case.encoder.calls >= LIMITS.stream_window)
        at_work = case.encoder.calls
        gate.set()
        count = sum(1 for _ in answers)

    assert at_work == LIMITS.stream_window
    assert count == 30


def test_a_stream_needs_no_deadline_of_its_own(case: GatewayCase) -> None:
    with gateway_of(case) as stub:
        (answer,) = stub.RecognizeStream(_stream(a_task()))

    assert answer.HasField("recognition")


def test_a_cancelled_stream_stops_its_work(case: GatewayCase) -> None:
    gate = threading.Event()
    case.encoder.before = lambda: wait_for(gate)
    with gateway_of(case) as stub:
        answers = stub.RecognizeStream(_stream(*[a_task()] * 100), timeout=TIMEOUT_S)
        until(lambda: case.encoder.calls >= 1)
        answers.cancel()
        gate.set()
        until(lambda: not _streams_at_work())

    assert case.encoder.calls <= 2 * LIMITS.stream_window


def test_a_batch_gets_receipts_and_is_counted(case: GatewayCase) -> None:
    requests = [
        gateway_pb2.SubmitImagesRequest(submission_id="s1", task=a_task(recognition_id=f"r{i}"))
        for i in range(3)
    ]
    requests[1].task.image = b"text"
    with gateway_of(case) as stub:
        answers = list(stub.SubmitImages(iter(requests), timeout=TIMEOUT_S))
        progress = stub.GetSubmission(gateway_pb2.GetSubmissionRequest(submission_id="s1"), timeout=TIMEOUT_S)

    assert [answer.WhichOneof("result") for answer in answers] == ["receipt", "failure", "receipt"]
    assert {answer.submission_id for answer in answers} == {"s1"}
    assert (progress.accepted, progress.completed, progress.failed) == (2, 0, 0)


def test_a_batch_without_an_id_gets_one_for_all_its_images(case: GatewayCase) -> None:
    requests = (gateway_pb2.SubmitImagesRequest(task=a_task()) for _ in range(3))
    with gateway_of(case) as stub:
        answers = list(stub.SubmitImages(requests, timeout=TIMEOUT_S))

    assert len({answer.submission_id for answer in answers}) == 1
    assert len({answer.recognition_id for answer in answers}) == 3


def test_a_batch_that_changes_its_id_on_the_way_is_refused_for_that_image(case: GatewayCase) -> None:
    requests = [
        gateway_pb2.SubmitImagesRequest(submission_id=each, task=a_task()) for each in ("s1", "s2", "")
    ]
    with gateway_of(case) as stub:
        answers = list(stub.SubmitImages(iter(requests), timeout=TIMEOUT_S))

    assert [answer.WhichOneof("result") for answer in answers] == ["receipt", "failure", "receipt"]
    assert answers[1].failure.field == "submission_id"


def test_a_watch_shows_records_with_their_tokens(case: GatewayCase) -> None:
    record = Recognition(case.intake(task(recognition_id="r1")).envelope, RecognitionState.COMPLETED)
    case.endings = InMemoryEndings(record)
    with gateway_of(case) as stub:
        begun, answer = stub.WatchRecognitions(gateway_pb2.WatchRecognitionsRequest(), timeout=TIMEOUT_S)

    assert begun == gateway_pb2.WatchRecognitionsResponse(resume_token="begin")  # noqa: S106  (no secret)
    assert answer.recognition == write_recognition(record)
    assert answer.resume_token == "0"  # noqa: S105  (no secret)


def test_without_a_shared_event_log_the_waiting_door_works_and_all_else_says_what_to_run(
    case: GatewayCase,
) -> None:
    refused: list[FoveaError] = []

    def refuse(call: Callable[[], object]) -> None:
        with pytest.raises(Unsupported, match=r"event log.*fovea serve") as error:
            call()
        refused.append(error.value)

    key = envelope_pb2.CollectionKey(collection="daily")
    submit = gateway_pb2.SubmitImagesRequest(task=a_task())
    with gateway_of(case, shared=False) as stub:
        record = stub.Recognize(gateway_pb2.RecognizeRequest(task=a_task()), timeout=TIMEOUT_S)
        refuse(lambda: list(stub.SubmitImages(iter([submit]), timeout=TIMEOUT_S)))
        refuse(lambda: stub.GetSubmission(gateway_pb2.GetSubmissionRequest(), timeout=TIMEOUT_S))
        watch = gateway_pb2.WatchRecognitionsRequest()
        refuse(lambda: list(stub.WatchRecognitions(watch, timeout=TIMEOUT_S)))
    with memory_of(case, shared=False) as stub:
        refuse(lambda: list(stub.Remember(iter([a_lesson(image=picture())]), timeout=TIMEOUT_S)))
        refuse(lambda: list(stub.ImportExemplars(iter([an_import()]), timeout=TIMEOUT_S)))
        refuse(lambda: stub.Forget(memory_pb2.ForgetRequest(label="robin"), timeout=TIMEOUT_S))
        refuse(lambda: stub.Correct(memory_pb2.CorrectRequest(), timeout=TIMEOUT_S))
    with collections_of(case, shared=False) as stub:
        delete = collections_pb2.DeleteCollectionRequest(key=key)
        refuse(lambda: stub.DeleteCollection(delete, timeout=TIMEOUT_S))

    assert record.recognition.regions
    assert {error.reason for error in refused} == {"NO_SHARED_EVENT_LOG"}
    assert len(case.images.kept) == 1


def test_a_service_that_is_down_answers_as_unavailable(case: GatewayCase) -> None:
    case.retriever.error = Unavailable("down")
    with gateway_of(case) as stub, pytest.raises(Unavailable):
        stub.Recognize(gateway_pb2.RecognizeRequest(task=a_task()), timeout=TIMEOUT_S)


def test_calls_side_by_side_do_not_get_in_each_others_way(case: GatewayCase) -> None:
    with gateway_of(case) as stub, ThreadPoolExecutor(8) as pool:
        requests = [gateway_pb2.RecognizeRequest(task=a_task(recognition_id=f"r{i % 4}")) for i in range(32)]
        answers = list(pool.map(lambda request: stub.Recognize(request, timeout=TIMEOUT_S), requests))

    for i, answer in enumerate(answers):
        assert answer.recognition == answers[i % 4].recognition


def _streams_at_work() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "stream-reader"]
