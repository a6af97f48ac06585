"""How an event stands in the log: its headers, its id, and the way from a message to a record."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from services.kernel.errors import InvalidInput
from services.runtime import span_names, tracing
from services.runtime.claim_check import Claims, NoClaims
from services.runtime.event_log.ports import NewRecord
from services.runtime.topics import Subject, TopicTable

EVENT_ID: Final = "event-id"
CAUSE_ID: Final = "cause-id"  # id of the event whose handler made this one
TENANT: Final = "tenant"
COLLECTION: Final = "collection"
RECOGNITION_ID: Final = "recognition-id"
SUBMISSION_ID: Final = "submission-id"
TRACEPARENT: Final = tracing.HEADER
PRODUCER: Final = "producer"  # service/version

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "events.fovea")


@dataclass(frozen=True)
class Tombstone:
    """Says that a key of a compacted topic is deleted."""

    topic: str
    key: str


Output = Message | Tombstone


def event_id(topic: str, *parts: str) -> str:
    """Return the same id for the same parts, in every process and at every repetition.

    It is `uuid.uuid5` of the parts, written at a third of the time.
    """
    name = "\n".join((topic, *parts)).encode()
    digest = bytearray(hashlib.sha1(_NAMESPACE.bytes + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80  # variant of RFC 9562
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class EventWriter:
    """Turns what a handler or use case has to say into records.

    Args:
        topics: The table of topics.
        producer: Service and version, such as `encoding/0.1.0`.
        system: The kind of log they go to, for traces.
        claims: Takes what is too large for the log.
    """

    def __init__(
        self, topics: TopicTable, *, producer: str, system: str = "", claims: Claims | None = None
    ) -> None:
        self._topics = topics
        self._claims = claims or NoClaims()
        self._system = system
        self.producer = producer

    def record(self, output: Output, *, cause_id: str = "", own_id: str = "") -> NewRecord:
        """Return the record of one event. Raises Unavailable if a large one cannot be stored now.

        Args:
            output: The message, or the deletion of a key.
            cause_id: Id of the event that was handled; empty at the beginning of a flow.
            own_id: The event's id. By default it follows from the recognition or, for other events,
                from the cause and the key, so a repeated handler says the same thing again; an event
                without either gets a new one.
        """
        topic, subject, value = self._content(output)
        span = tracing.open_span(*span_names.sending(self._system, topic))
        headers = {
            EVENT_ID: own_id or _derived_id(topic, subject, cause_id),
            CAUSE_ID: cause_id,
            TENANT: subject.tenant,
            COLLECTION: subject.collection,
            RECOGNITION_ID: subject.recognition_id,
            SUBMISSION_ID: subject.submission_id,
            TRACEPARENT: _traceparent(span),
            PRODUCER: self.producer,
        }
        present = {name: text for name, text in headers.items() if text}
        return self._claims.deposit(NewRecord(topic, subject.key, value, present, span))

    def _content(self, output: Output) -> tuple[str, Subject, bytes | None]:
        if isinstance(output, Tombstone):
            if not self._topics[output.topic].settings.compacted:
                raise InvalidInput(f"{output.topic} is not compacted: nothing can be deleted from it")
            return output.topic, Subject.of_key(output.key), None
        spec = self._topics.of(output)
        return spec.name, spec.subject(output), output.SerializeToString(deterministic=True)


def identify(headers: Mapping[str, str], *origin: object) -> str:
    """Return an event's id; one that came without gets an id from where it stands."""
    return headers.get(EVENT_ID) or event_id(*map(str, origin))


def _derived_id(topic: str, subject: Subject, cause_id: str) -> str:
    if subject.recognition_id and not subject.name:
        return event_id(topic, subject.tenant, subject.recognition_id)
    if cause_id:
        return event_id(topic, subject.key, cause_id)
    return str(uuid.uuid4())


def _traceparent(span: tracing.OpenSpan | None) -> str:
    context = tracing.current() if span is None else span.context
    return context.traceparent if context else ""


def sent(records: Sequence[NewRecord], error: str = "") -> None:
    """End the spans of records: they are durable, or will never be because of `error`."""
    for record in records:
        if record.span is not None:
            record.span.end(error)
