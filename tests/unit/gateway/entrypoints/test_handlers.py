"""How recognitions of the streaming door end, from the events themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fovea.gateway.v1 import events_pb2
from fovea.kernel.v1 import recognition_pb2
from services.gateway.codec.events import write_completed
from services.gateway.domain.recognition import Progress, Recognition, RecognitionState
from services.gateway.entrypoints.handlers import OnDeadLetter, OnRecognitionsCompleted
from services.kernel.vocabulary import Envelope
from services.runtime.codec.recognition import write_envelope
from services.runtime.dead_letters import Cause, DeadLetter
from services.runtime.event_log.ports import Position
from services.runtime.events import COLLECTION, RECOGNITION_ID, SUBMISSION_ID, TENANT
from tests.fakes.gateway import task
from tests.fakes.gateway_case import GatewayCase

HEADERS = {TENANT: "default", COLLECTION: "default", RECOGNITION_ID: "r1"}


def _letter(
    value: bytes | None, error_class: str = "InvalidInput", field: str = "image", **headers: str
) -> DeadLetter:
    cause = Cause(error_class, "IMAGE_DAMAGED", "cut off", field, 1, "encoding", "1", 0.0, 0.0)
    position = Position("images.submitted", 0, 7)
    return DeadLetter(position, "default/default/r1", value, headers, cause)


def _value(envelope: Envelope) -> bytes:
    return events_pb2.ImageSubmitted(envelope=write_envelope(envelope)).SerializeToString()


def test_the_record_of_a_batch_is_kept_and_counted(case: GatewayCase) -> None:
    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))
    record = Recognition(envelope, RecognitionState.COMPLETED)

    for _ in range(2):
        OnRecognitionsCompleted(case.end)(write_completed(record))

    assert case.recognitions.find("default", "r1") == record
    assert case.submissions.progress("default", "s1") == Progress(1, 1, 0)


def test_the_record_of_the_waiting_door_is_not_read_again(case: GatewayCase) -> None:
    record = case.recognize(task(recognition_id="r1"))
    case.recognitions.kept.clear()

    OnRecognitionsCompleted(case.end)(write_completed(record))

    assert case.recognitions.kept == {}


def test_a_dead_letter_becomes_a_failed_record_with_all_that_was_known(case: GatewayCase) -> None:
    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))

    event = OnDeadLetter(case.fail)(_letter(_value(envelope), **HEADERS))

    record = event.recognition
    assert record.state == recognition_pb2.RECOGNITION_STATE_FAILED
    assert record.envelope == write_envelope(envelope)
    failure = record.failure
    assert (failure.status, failure.reason, failure.field) == ("INVALID_ARGUMENT", "IMAGE_DAMAGED", "image")
    assert failure.message == "cut off"

    OnRecognitionsCompleted(case.end)(event)
    assert case.submissions.progress("default", "s1") == Progress(1, 0, 1)


@pytest.mark.parametrize("value", [b"\xff\xff", None, b""])
@pytest.mark.parametrize("headers", [HEADERS, {}])
def test_a_dead_letter_that_cannot_be_read_still_names_its_recognition(
    case: GatewayCase, value: bytes | None, headers: dict[str, str]
) -> None:
    record = OnDeadLetter(case.fail)(_letter(value, **headers)).recognition

    assert record.state == recognition_pb2.RECOGNITION_STATE_FAILED
    assert record.envelope.recognition_id == "r1"
    assert (record.envelope.collection.tenant, record.envelope.collection.collection) == (
        "default",
        "default",
    )


@pytest.mark.parametrize(
    ("error_class", "status"),
    [
        ("NotFound", "NOT_FOUND"),
        ("Corrupt", "DATA_LOSS"),
        ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
        ("KilledProcess", "INTERNAL"),
        ("ValueError", "INTERNAL"),
        ("annotations", "INTERNAL"),
    ],
)
def test_the_status_of_a_failure_follows_from_what_was_raised(
    case: GatewayCase, error_class: str, status: str
) -> None:
    record = OnDeadLetter(case.fail)(_letter(None, error_class, **HEADERS)).recognition

    assert record.failure.status == status


def test_a_wrong_shape_is_named_as_the_caller_knows_it(case: GatewayCase) -> None:
    record = OnDeadLetter(case.fail)(_letter(None, field="shapes[2].box", **HEADERS)).recognition

    assert record.failure.field == "options.shapes[2].box"


def test_a_dead_letter_that_cannot_be_read_ends_its_batch_as_well(case: GatewayCase) -> None:
    case.submit(task(recognition_id="r1", submission_id="s1"))

    event = OnDeadLetter(case.fail)(_letter(None, **HEADERS, **{SUBMISSION_ID: "s1"}))
    OnRecognitionsCompleted(case.end)(event)

    assert case.submissions.progress("default", "s1").failed == 1


def test_a_dead_letter_of_a_repeated_event_does_not_spoil_the_record(case: GatewayCase) -> None:
    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))
    ended = Recognition(envelope, RecognitionState.COMPLETED, ended_at_s=5.0)
    case.end(ended)

    event = OnDeadLetter(case.fail)(_letter(_value(replace(envelope, stages=())), **HEADERS))

    assert event == write_completed(ended)
