"""Teaching over the event log, which waits until the memory holds what was taught."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from fovea.encoding.v1 import events_pb2 as encoding_events
from fovea.gateway.v1 import events_pb2
from services.gateway.adapters.teacher import ENCODED, SUBMITTED, LogTeacher
from services.gateway.domain.collections import (
    DEFAULT_COLLECTION,
)
from services.gateway.domain.keys import passing_image
from services.gateway.domain.teaching import Change
from services.kernel.errors import DeadlineExceeded, InvalidInput
from services.kernel.vocabulary import (
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    ImageReference,
)
from services.runtime import deadline, memory_version
from services.runtime.codec.exemplar import write_encoded_exemplar
from services.runtime.dead_letters import Cause, DeadLetter
from services.runtime.event_log.ports import Record
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.events import EVENT_ID, EventWriter, Tombstone
from services.runtime.follower import Follower
from services.runtime.publisher import Publisher
from services.runtime.topics import DEAD, TOPICS
from tests.fakes.gateway import InMemoryImages

WAIT_S = 5.0


class _Encoding:
    """Does at once what the encoding service does with each submitted change; `dead` labels it cannot."""

    def __init__(self, log: SqliteLog) -> None:
        self._writer = EventWriter(TOPICS, producer="encoding/test")
        self._log = log
        self.dead = {"damaged"}
        self.idle = False
        self.events: list[events_pb2.ExemplarSubmitted] = []

    def saw(self, record: Record) -> None:
        if self.idle or record.value is None:
            return
        event = events_pb2.ExemplarSubmitted.FromString(record.value)
        self.events.append(event)
        if event.remember.label in self.dead:
            cause = Cause("InvalidInput", "IMAGE_DAMAGED", "cut off", "image", 1, "encoding", "1", 0.0, 0.0)
            letter = DeadLetter(record.position, record.key, record.value, record.headers, cause)
            self._log.publish([letter.to_record()])
            return
        cause_id = record.headers[EVENT_ID]
        self._log.publish([self._writer.record(_encoded(event, record.key), cause_id=cause_id)])


def _encoded(event: events_pb2.ExemplarSubmitted, key: str) -> encoding_events.ExemplarEncoded | Tombstone:
    if event.WhichOneof("change") == "forget":
        return Tombstone(ENCODED, key)
    encoded = encoding_events.ExemplarEncoded(collection=event.collection, exemplar=event.restore)
    if event.HasField("remember"):
        encoded.exemplar.exemplar.CopyFrom(event.remember)
    return encoded


class _Teaching:
    """A teacher, what it follows, and an encoding service."""

    def __init__(self, log: SqliteLog, publisher: Publisher) -> None:
        self.images = InMemoryImages()
        self.encoding = _Encoding(log)
        self.teacher = LogTeacher(log, publisher, self.images)
        self._followers = [
            Follower(log, [SUBMITTED], self.encoding.saw, start="end"),
            Follower(log, [ENCODED, SUBMITTED + DEAD], self.teacher.saw, start="end"),
        ]
        for follower in self._followers:
            follower.start()

    def close(self) -> None:
        for follower in self._followers:
            follower.close()


@pytest.fixture
def teaching(log: SqliteLog, publisher: Publisher) -> Iterator[_Teaching]:
    opened = _Teaching(log, publisher)
    yield opened
    opened.close()


def _change(exemplar_id: str, label: str = "robin", image: ImageReference | None = None) -> Change:
    exemplar = Exemplar(exemplar_id, label, ExemplarKind.IMAGE, image=image)
    return Change(DEFAULT_COLLECTION, exemplar_id, exemplar)


def test_a_change_ends_with_a_memory_version_that_holds_it(teaching: _Teaching, log: SqliteLog) -> None:
    changes = [_change("a"), _change("b"), Change(DEFAULT_COLLECTION, "a")]

    with deadline.within(WAIT_S):
        versions = [pending.result() for pending in teaching.teacher.submit(changes)]

    ends = log.end_offsets(ENCODED)
    assert all(memory_version.reached(ends, memory_version.decode(version)) for version in versions)
    assert memory_version.decode(teaching.teacher.memory_version()) == {
        partition: offset for partition, offset in ends.items() if offset
    }


def test_an_exemplar_with_embeddings_is_handed_over_as_one_to_restore(teaching: _Teaching) -> None:
    kept = Embedding(np.eye(1, 3, dtype=np.float32)[0], "letters@1", "name")
    exemplar = Exemplar("a", "robin", ExemplarKind.NAME, text="robin")

    with deadline.within(WAIT_S):
        (pending,) = teaching.teacher.submit([Change(DEFAULT_COLLECTION, "a", exemplar, (kept,))])
        assert pending.result()

    (event,) = teaching.encoding.events
    assert event.restore == write_encoded_exemplar(EncodedExemplar(exemplar, (kept,)))


def test_a_change_that_cannot_be_encoded_raises_what_encoding_raised(teaching: _Teaching) -> None:
    good, bad = teaching.teacher.submit([_change("a"), _change("b", "damaged")])

    with deadline.within(WAIT_S):
        assert good.result()
        with pytest.raises(InvalidInput, match="cut off") as refused:
            bad.result()

    assert (refused.value.reason, refused.value.field) == ("IMAGE_DAMAGED", "image")


def test_nobody_waits_longer_than_his_deadline(teaching: _Teaching) -> None:
    teaching.encoding.idle = True
    (pending,) = teaching.teacher.submit([_change("a")])

    with deadline.within(0.05), pytest.raises(DeadlineExceeded):
        pending.result()


@pytest.mark.parametrize("label", ["robin", "damaged"])
def test_a_passing_picture_goes_when_its_teaching_has_ended_even_if_nobody_waits(
    teaching: _Teaching, label: str
) -> None:
    key = passing_image(DEFAULT_COLLECTION, "x", "d")
    teaching.images.store(key, b"picture")

    teaching.teacher.submit([_change("a", label, ImageReference("d", key, "image/png", 7, 1, 1))])

    _until(lambda: not teaching.images.has(key))
    _until(lambda: not teaching.teacher._waiting)


def test_the_changes_of_others_are_none_of_ours(teaching: _Teaching, publisher: Publisher) -> None:
    event = events_pb2.ExemplarSubmitted(exemplar_id="theirs", forget=True)
    event.collection.tenant = event.collection.collection = "default"
    publisher.publish(event)

    (pending,) = teaching.teacher.submit([_change("a")])

    with deadline.within(WAIT_S):
        assert pending.result()


def _until(met: Callable[[], bool]) -> None:
    ticks = threading.Event()
    for _ in range(500):
        if met():
            return
        ticks.wait(0.01)
    raise AssertionError("it did not come about")
