"""Events and dead letters."""

from __future__ import annotations

from contextlib import suppress

from fovea.ranking.v1 import events_pb2 as ranking_events
from services.gateway.codec.recognition import (
    error_named,
    outer_field,
    read_recognition,
    write_recognition,
)
from services.gateway.domain.recognition import DeadLetter, Recognition
from services.kernel.errors import InvalidInput
from services.kernel.failures import Failure
from services.kernel.vocabulary import CollectionKey, Envelope
from services.runtime import dead_letters
from services.runtime.codec.failure import failure_of
from services.runtime.codec.recognition import read_envelope
from services.runtime.event_log.ports import Record
from services.runtime.events import COLLECTION, RECOGNITION_ID, SUBMISSION_ID, TENANT
from services.runtime.topics import TOPICS, Subject


def read_completed(event: ranking_events.RecognitionCompleted) -> Recognition:
    """Read the record that an event carries."""
    return read_recognition(event.recognition)


def write_completed(recognition: Recognition) -> ranking_events.RecognitionCompleted:
    """Write the event that tells of a record."""
    return ranking_events.RecognitionCompleted(recognition=write_recognition(recognition))


def read_dead_letter(letter: dead_letters.DeadLetter) -> DeadLetter:
    """Read what ended a recognition; headers and key will do where the event itself cannot be read."""
    envelope = _envelope(letter)
    if envelope is not None:
        key, recognition_id = envelope.collection, envelope.recognition_id
    else:
        subject = Subject.of_key(letter.key)
        headers = letter.headers
        key = CollectionKey(headers.get(TENANT, subject.tenant), headers.get(COLLECTION, subject.collection))
        recognition_id = headers.get(RECOGNITION_ID, subject.name)
    submission_id = envelope.submission_id if envelope else letter.headers.get(SUBMISSION_ID, "")
    return DeadLetter(key, recognition_id, submission_id, read_cause(letter.cause), envelope)


def _envelope(letter: dead_letters.DeadLetter) -> Envelope | None:
    record = Record(letter.origin, letter.key, letter.value, letter.headers, 0.0)
    with suppress(InvalidInput):
        message = TOPICS[letter.origin.topic].decode(record)
        return read_envelope(message.envelope) if message is not None else None  # type: ignore[attr-defined]  # all topics of the chain carry one
    return None


def read_cause(cause: dead_letters.Cause) -> Failure:
    """Read why an event could not be handled."""
    error = error_named(cause.error_class, cause.message, field=outer_field(cause.field), reason=cause.reason)
    return failure_of(error)
