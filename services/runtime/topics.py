"""Which topics there are: name, message, what a message is about (hence its key), and how each is laid out.

`TOPICS` is the one table of the platform; a topic has one message and a message one topic, so whoever
publishes names neither topic nor key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from fovea.encoding.v1 import events_pb2 as encoding
from fovea.gateway.v1 import events_pb2 as gateway
from fovea.kernel.v1 import envelope_pb2
from fovea.ranking.v1 import events_pb2 as ranking
from fovea.retrieval.v1 import events_pb2 as retrieval
from fovea.segmentation.v1 import events_pb2 as segmentation
from services.kernel.errors import InvalidInput, NotFound
from services.runtime.event_log.ports import Record
from services.runtime.event_log.settings import TopicSettings

DEAD: Final = ".dead"
DAY_S: Final = 86_400.0
_RECOGNITION: Final = "tenant/collection/recognition"
_EXEMPLAR: Final = "tenant/collection/exemplar"
_COLLECTION: Final = "tenant/collection"


@dataclass(frozen=True)
class Subject:
    """What an event is about: a recognition, something with a `name`, or a whole collection.

    Without a name it is the one event of its topic about that recognition.
    """

    tenant: str
    collection: str
    name: str = ""
    recognition_id: str = ""
    submission_id: str = ""

    @property
    def key(self) -> str:
        """The record's key: all events about one thing keep their order."""
        parts = (self.tenant, self.collection, self.name or self.recognition_id)
        return "/".join(part for part in parts if part)

    @classmethod
    def of_key(cls, key: str) -> Subject:
        """Return what a key says; whether its last part is a recognition it does not say."""
        tenant, _, rest = key.partition("/")
        collection, _, name = rest.partition("/")
        return cls(tenant, collection, name)


@dataclass(frozen=True)
class TopicSpec:
    """One topic.

    Args:
        name: In the event log.
        message: Its one message.
        subject: Returns what a message of it is about.
        settings: How it is laid out.
        meaning: What one of its events says.
        key: What its records are keyed by, hence what keeps its order.
        owner: The service whose contract the message is.
        writers: Further services that publish it.
        consumers: Services that read it.
        dead_consumers: Services that read its dead letters.
    """

    name: str
    message: type[Message]
    subject: Callable[[Any], Subject]
    settings: TopicSettings = field(default_factory=TopicSettings)
    meaning: str = ""
    key: str = _RECOGNITION
    owner: str = ""
    writers: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()
    dead_consumers: tuple[str, ...] = ()

    @property
    def dead(self) -> str:
        """The topic where those of its events go that nobody could handle."""
        return self.name + DEAD

    def decode(self, record: Record) -> Message | None:
        """Return the message, or None for a tombstone. Raises InvalidInput if the bytes are no message."""
        if record.value is None:
            return None
        try:
            return self.message.FromString(record.value)
        except DecodeError as error:
            name = self.message.DESCRIPTOR.full_name
            raise InvalidInput(f"the event is no {name}: {error}", reason="UNDECODABLE") from error


class TopicTable:
    """Looks topics up by name and by message."""

    def __init__(self, specs: Iterable[TopicSpec], *, dead: TopicSettings | None = None) -> None:
        self._by_name = {spec.name: spec for spec in specs}
        self._by_message = {spec.message: spec for spec in self._by_name.values()}
        self.dead = dead or TopicSettings(retention_s=30 * DAY_S)

    def __iter__(self) -> Iterator[TopicSpec]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> TopicSpec:
        if name not in self._by_name:
            raise NotFound(f"there is no topic {name}", reason="UNKNOWN_TOPIC")
        return self._by_name[name]

    def of(self, message: Message) -> TopicSpec:
        """Return the topic of a message. Raises NotFound if it is no event."""
        if type(message) not in self._by_message:
            raise NotFound(f"{type(message).__name__} has no topic", reason="UNKNOWN_TOPIC")
        return self._by_message[type(message)]

    def settings(self) -> Mapping[str, TopicSettings]:
        """Return how every topic is laid out, those of dead letters too: what an event log is opened with."""
        live = {spec.name: spec.settings for spec in self}
        return live | {spec.dead: self.dead for spec in self}


def _of_envelope(message: Any) -> Subject:
    return _of_recognition(message.envelope)


def _of_recognition(envelope: envelope_pb2.Envelope) -> Subject:
    key = envelope.collection
    return Subject(
        key.tenant,
        key.collection,
        recognition_id=envelope.recognition_id,
        submission_id=envelope.submission_id,
    )


def _of_completed(message: ranking.RecognitionCompleted) -> Subject:
    return _of_recognition(message.recognition.envelope)


def _of_submitted_exemplar(message: gateway.ExemplarSubmitted) -> Subject:
    return Subject(message.collection.tenant, message.collection.collection, message.exemplar_id)


def _of_encoded_exemplar(message: encoding.ExemplarEncoded) -> Subject:
    name = message.exemplar.exemplar.exemplar_id
    return Subject(message.collection.tenant, message.collection.collection, name)


def _of_collection(message: gateway.CollectionChanged) -> Subject:
    return Subject(message.collection.key.tenant, message.collection.key.collection)


def _of_feedback(message: gateway.FeedbackGiven) -> Subject:
    key = message.collection
    about = message.recognition_id
    return Subject(key.tenant, key.collection, about, recognition_id=about)


_FLOW = TopicSettings(partitions=4, retention_s=7 * DAY_S)
_MEMORY = TopicSettings(partitions=4, compacted=True, late_s=3.0)

TOPICS: Final = TopicTable(
    [
        TopicSpec(
            "images.submitted",
            gateway.ImageSubmitted,
            _of_envelope,
            _FLOW,
            meaning="An image is stored and waits for recognition.",
            owner="gateway",
            consumers=("segmentation",),
            dead_consumers=("gateway",),
        ),
        TopicSpec(
            "regions.proposed",
            segmentation.RegionsProposed,
            _of_envelope,
            _FLOW,
            meaning="All regions of one image.",
            owner="segmentation",
            consumers=("encoding",),
            dead_consumers=("gateway",),
        ),
        TopicSpec(
            "regions.encoded",
            encoding.RegionsEncoded,
            _of_envelope,
            _FLOW,
            meaning="All regions of one image with their embeddings.",
            owner="encoding",
            consumers=("retrieval",),
            dead_consumers=("gateway",),
        ),
        TopicSpec(
            "candidates.retrieved",
            retrieval.CandidatesRetrieved,
            _of_envelope,
            _FLOW,
            meaning="The candidates of all regions of one image.",
            owner="retrieval",
            consumers=("ranking",),
            dead_consumers=("gateway",),
        ),
        TopicSpec(
            "recognitions.completed",
            ranking.RecognitionCompleted,
            _of_completed,
            _FLOW,
            meaning="The record of one image, completed or failed.",
            owner="ranking",
            writers=("gateway",),
            consumers=("gateway",),
        ),
        TopicSpec(
            "exemplars.submitted",
            gateway.ExemplarSubmitted,
            _of_submitted_exemplar,
            _FLOW,
            meaning="An exemplar waits to be encoded, or is to be forgotten.",
            key=_EXEMPLAR,
            owner="gateway",
            consumers=("encoding",),
            dead_consumers=("gateway",),
        ),
        TopicSpec(
            "exemplars.encoded",
            encoding.ExemplarEncoded,
            _of_encoded_exemplar,
            _MEMORY,
            meaning="The memory: an exemplar with its embeddings; without a value it is forgotten.",
            key=_EXEMPLAR,
            owner="encoding",
            consumers=("gateway", "retrieval"),
        ),
        TopicSpec(
            "collections.changed",
            gateway.CollectionChanged,
            _of_collection,
            TopicSettings(partitions=1, compacted=True),
            meaning="A collection's settings; without a value it is deleted.",
            key=_COLLECTION,
            owner="gateway",
            consumers=("gateway", "retrieval"),
        ),
        TopicSpec(
            "feedback.given",
            gateway.FeedbackGiven,
            _of_feedback,
            TopicSettings(partitions=4),
            meaning="A person gave the right label of a recognised region.",
            owner="gateway",
        ),
    ]
)
