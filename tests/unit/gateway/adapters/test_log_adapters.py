"""What the gateway does over the event log: views, waiting for changes, watching ends."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fovea.encoding.v1 import events_pb2 as encoding_events
from fovea.gateway.v1 import events_pb2
from services.gateway.adapters.announcements import LogAnnouncer
from services.gateway.adapters.collections import TOPIC, LogCollections
from services.gateway.adapters.endings import LogEndings
from services.gateway.adapters.sweeper import Sweeper
from services.gateway.adapters.teacher import ENCODED, SUBMITTED, LogTeacher
from services.gateway.codec.collections import write_collection
from services.gateway.domain.collections import (
    DEFAULT_COLLECTION,
    Collection,
    Retention,
    RetentionPolicy,
)
from services.gateway.domain.keys import passing_image
from services.gateway.domain.recognition import Ended, Recognition, RecognitionState
from services.gateway.domain.teaching import Change, Feedback
from services.kernel.errors import Conflict, DeadlineExceeded, InvalidInput, Unavailable
from services.kernel.vocabulary import (
    CollectionKey,
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    ImageReference,
    SpaceVote,
)
from services.runtime import deadline, memory_version
from services.runtime.claim_check import StoredClaims, redeeming
from services.runtime.codec.exemplar import write_encoded_exemplar
from services.runtime.dead_letters import Cause, DeadLetter
from services.runtime.event_log.ports import NewRecord, Record
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.events import EVENT_ID, EventWriter, Tombstone
from services.runtime.follower import Follower
from services.runtime.publisher import Publisher
from services.runtime.topics import DEAD, TOPICS
from tests.fakes.gateway import InMemoryImages, InMemoryRecognitions, task
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.object_store import InMemoryStore

BIRDS = CollectionKey("acme", "birds")
WAIT_S = 5.0


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "events.sqlite", TOPICS.settings())
    yield opened
    opened.close()


@pytest.fixture
def publisher(log: SqliteLog) -> Publisher:
    return Publisher(log, EventWriter(TOPICS, producer="gateway/test"))


@pytest.fixture
def collections(log: SqliteLog, publisher: Publisher) -> Iterator[LogCollections]:
    view = LogCollections(publisher)
    follower = Follower(log, [TOPIC], view.saw)
    follower.start()
    yield view
    follower.close()


@pytest.mark.parametrize("key", ["acme/birds", "no slash", "", "../../etc/passwd"])
def test_the_collections_stay_known_behind_a_record_that_is_none(
    log: SqliteLog, publisher: Publisher, key: str
) -> None:
    log.publish([NewRecord(TOPIC, key, b"\xff\xff noise"), NewRecord(TOPIC, "not/a name", None)])
    gone = {"payload-key": f"acme/payloads/{TOPIC}/{'0' * 64}"}
    log.publish([NewRecord(TOPIC, "acme/lost", b"", gone)])
    view = LogCollections(publisher)
    follower = Follower(log, [TOPIC], redeeming(StoredClaims(InMemoryStore()), view.saw))
    follower.start()

    assert view.create(Collection(BIRDS))
    follower.check()
    assert view.list("acme") == [Collection(BIRDS)]
    follower.close()


def test_a_way_to_keep_images_that_a_newer_release_knows_keeps_them(
    collections: LogCollections, publisher: Publisher
) -> None:
    message = write_collection(Collection(BIRDS, "of Europe"))
    message.image_retention.policy = 99  # type: ignore[assignment]  # a newer release's

    publisher.publish(events_pb2.CollectionChanged(collection=message))
    assert collections.create(Collection(CollectionKey("acme", "next")))  # behind the other

    assert collections.find(BIRDS) == Collection(BIRDS, "of Europe")


def test_a_change_is_seen_as_soon_as_it_returns(collections: LogCollections) -> None:
    wanted = Collection(
        BIRDS,
        "of Europe",
        Retention(RetentionPolicy.DAYS, 7),
        votes=(SpaceVote("visual", 2.0, 0.05, 0.6),),
        trust_threshold=0.0,
    )

    assert collections.create(wanted)
    assert collections.find(BIRDS) == wanted
    assert not collections.create(Collection(BIRDS))
    collections.change(Collection(BIRDS, "of the world"))
    assert collections.list("acme") == [Collection(BIRDS, "of the world")]
    collections.remove(BIRDS)
    assert collections.find(BIRDS) is None


def test_the_default_collection_is_there_from_the_start_and_stays(collections: LogCollections) -> None:
    assert collections.find(DEFAULT_COLLECTION) == Collection(DEFAULT_COLLECTION)

    collections.change(Collection(DEFAULT_COLLECTION, "mine"))
    collections.remove(DEFAULT_COLLECTION)

    assert collections.find(DEFAULT_COLLECTION) == Collection(DEFAULT_COLLECTION)


def test_of_many_who_create_a_collection_one_does(collections: LogCollections) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: collections.create(Collection(BIRDS)), range(8)))

    assert made.count(True) == 1


def test_a_collection_outlives_the_process(log: SqliteLog, collections: LogCollections) -> None:
    collections.create(Collection(BIRDS, "kept"))

    again = LogCollections(Publisher(log, EventWriter(TOPICS, producer="gateway/test")))
    follower = Follower(log, [TOPIC], again.saw)
    follower.start()
    assert follower.wait_caught_up(WAIT_S)
    follower.close()

    assert again.find(BIRDS) == Collection(BIRDS, "kept")


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


def test_a_watch_sees_what_ends_after_it_began_and_goes_on_behind_a_token(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    endings = LogEndings(log, InMemoryRecognitions())
    records = [_record(f"r{i}") for i in range(6)]
    announcer.completed(records[0])
    watched = endings.watch("")
    for record in records[1:4]:
        announcer.completed(record)

    with deadline.within(WAIT_S):
        seen = [next(watched.endings) for _ in range(3)]
        resumed = endings.watch(seen[0].resume_token)
        announcer.completed(records[4])
        rest = [next(resumed.endings) for _ in range(3)]
        first = next(endings.watch(watched.resume_token).endings)

    assert _ids(seen) == {"r1", "r2", "r3"}
    assert _ids(rest) == {"r1", "r2", "r3", "r4"} - _ids(seen[:1])
    assert _ids([first]) <= {"r1", "r2", "r3"}


def test_a_watch_shows_an_ending_once_however_often_the_log_has_it(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    watched = LogEndings(log, InMemoryRecognitions()).watch("")
    for name in ("once", "once", "again", "once", "last"):
        announcer.completed(_record(name))

    with deadline.within(WAIT_S):
        seen = [next(watched.endings).recognition.envelope.recognition_id for _ in range(3)]

    assert sorted(seen) == ["again", "last", "once"]


def test_a_watch_that_goes_on_is_not_shown_again_what_the_one_before_it_was(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    endings = LogEndings(log, InMemoryRecognitions(), look_back=1)
    watched = endings.watch("")
    announcer.completed(_record("seen"))
    with deadline.within(WAIT_S):
        token = next(watched.endings).resume_token
        for name in ("seen", "seen", "new"):
            announcer.completed(_record(name))
        resumed = next(endings.watch(token).endings)

    assert _ids([resumed]) == {"new"}


def test_a_watch_remembers_so_many_endings_and_not_more(log: SqliteLog, publisher: Publisher) -> None:
    announcer = LogAnnouncer(publisher)
    watched = LogEndings(log, InMemoryRecognitions(), remembered=1).watch("")
    with deadline.within(WAIT_S):
        for name in ("first", "second", "first"):
            announcer.completed(_record(name))
            assert _ids([next(watched.endings)]) == {name}


def test_a_repeated_ending_is_not_shown_though_the_first_is_forgotten(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    recognitions = InMemoryRecognitions()
    watched = LogEndings(log, recognitions, remembered=1).watch("")
    first = recognitions.keep(_record("first"))
    with deadline.within(WAIT_S):
        for record in (first, _record("second")):
            announcer.completed(record)
            next(watched.endings)
        announcer.completed(replace(first, ended_at_s=first.ended_at_s + 1))
        announcer.completed(_record("third"))
        seen = next(watched.endings)

    assert _ids([seen]) == {"third"}


def test_a_repeated_ending_is_not_shown_behind_a_token_far_from_the_first(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    recognitions = InMemoryRecognitions()
    endings = LogEndings(log, recognitions, look_back=1)
    watched = endings.watch("")
    first = recognitions.keep(_record("first"))
    for record in (first, *(_record(f"r{number}") for number in range(40))):  # some in each partition
        announcer.completed(record)
    with deadline.within(WAIT_S):
        token = [next(watched.endings) for _ in range(41)][-1].resume_token
        announcer.completed(replace(first, ended_at_s=first.ended_at_s + 1))
        announcer.completed(_record("new"))
        seen = next(endings.watch(token).endings)

    assert _ids([seen]) == {"new"}


def test_an_id_that_came_with_two_batches_is_shown_for_both(log: SqliteLog, publisher: Publisher) -> None:
    announcer = LogAnnouncer(publisher)
    watched = LogEndings(log, InMemoryRecognitions()).watch("")
    record = _record("both")
    announcer.completed(record)
    announcer.completed(replace(record, envelope=replace(record.envelope, submission_id="other")))

    with deadline.within(WAIT_S):
        seen = [next(watched.endings).recognition.envelope.submission_id for _ in range(2)]

    assert seen == [record.envelope.submission_id, "other"]


def test_a_token_of_another_log_is_refused(log: SqliteLog, publisher: Publisher) -> None:
    LogAnnouncer(publisher).completed(_record("only"))
    beyond = base64.urlsafe_b64encode(b"[[0, 2], [1, 2], [2, 2], [3, 2]]").decode()

    with pytest.raises(Conflict) as refused:
        LogEndings(log, InMemoryRecognitions()).watch(beyond)

    assert refused.value.reason == "OFFSET_BEYOND_END"


def test_a_watch_fetches_large_records_and_leaves_out_those_that_are_lost(log: SqliteLog) -> None:
    store = InMemoryStore()
    claims = StoredClaims(store, most_bytes=1)
    announcer = LogAnnouncer(Publisher(log, EventWriter(TOPICS, producer="gateway/test", claims=claims)))
    watched = LogEndings(log, InMemoryRecognitions(), claims).watch("")
    announcer.completed(_record("lost"))
    (payload,) = store.list("")
    store.delete(payload.key)
    announcer.completed(_record("damaged"))
    (payload,) = store.list("")
    store.put(payload.key, b"something else")
    announcer.completed(_record("whole"))

    with deadline.within(WAIT_S):
        assert _ids([next(watched.endings)]) == {"whole"}


def test_a_watch_goes_on_behind_what_is_no_ending(log: SqliteLog, publisher: Publisher) -> None:
    watch = LogEndings(log, InMemoryRecognitions()).watch("")
    absurd = _record("absurd")
    absurd = replace(absurd, envelope=replace(absurd.envelope, recognition_id="a/b"))
    for value in (b"\xff\xff noise", b""):
        log.publish([NewRecord("recognitions.completed", "acme/birds/noise", value)])
    announcer = LogAnnouncer(publisher)
    announcer.completed(absurd)
    announcer.completed(_record("right"))

    assert next(watch.endings).recognition.envelope.recognition_id == "right"


def test_a_watch_ends_when_nobody_listens_any_more(log: SqliteLog) -> None:
    with deadline.within(0.05), pytest.raises(DeadlineExceeded):
        next(LogEndings(log, InMemoryRecognitions()).watch("").endings)


@pytest.mark.parametrize("token", ["no token", "e30", "MQ==", "W1siYSIsMV1d", "W1swLC0xXV0=", "é"])
def test_a_token_that_is_none_is_refused(log: SqliteLog, token: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        LogEndings(log, InMemoryRecognitions()).watch(token)

    assert refused.value.field == "resume_token"


def test_the_same_correction_has_the_same_event_id(log: SqliteLog, publisher: Publisher) -> None:
    announcer = LogAnnouncer(publisher)
    for _ in range(2):
        announcer.corrected(Feedback(BIRDS, "r1", "0", "wren", "robin", "e1"))

    with log.tail(["feedback.given"], start="beginning") as tail:
        records = tail.poll(WAIT_S, most=10)

    assert len({record.headers[EVENT_ID] for record in records}) == 1
    assert len(records) == 2


def test_a_sweep_waits_until_the_collections_are_known_and_goes_on_after_an_error() -> None:
    known, swept = threading.Event(), threading.Semaphore(0)
    outcomes = iter([Unavailable("disk"), None, None])

    def sweep() -> int:
        swept.release()
        if error := next(outcomes, None):
            raise error
        return 1

    sweeper = Sweeper([sweep], ready=lambda _: known.wait(0.01), every_s=0.01)
    sweeper.start()
    assert not swept.acquire(timeout=0.1)

    known.set()

    assert swept.acquire(timeout=WAIT_S)
    assert swept.acquire(timeout=WAIT_S)
    sweeper.close()


def _record(recognition_id: str) -> Recognition:
    envelope = GatewayCase().intake(task(recognition_id=recognition_id)).envelope
    return Recognition(envelope, RecognitionState.COMPLETED)


def _ids(ended: Sequence[Ended]) -> set[str]:
    return {each.recognition.envelope.recognition_id for each in ended}


def _until(met: Callable[[], bool]) -> None:
    ticks = threading.Event()
    for _ in range(500):
        if met():
            return
        ticks.wait(0.01)
    raise AssertionError("it did not come about")
