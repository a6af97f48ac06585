"""What the gateway does over the event log: views, waiting for changes, watching ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fovea.gateway.v1 import events_pb2
from services.gateway.adapters.announcements import LogAnnouncer
from services.gateway.adapters.collections import TOPIC, LogCollections
from services.gateway.adapters.sweeper import Sweeper
from services.gateway.codec.collections import write_collection
from services.gateway.domain.collections import (
    DEFAULT_COLLECTION,
    Collection,
    Retention,
    RetentionPolicy,
)
from services.gateway.domain.teaching import Feedback
from services.kernel.errors import Unavailable
from services.kernel.vocabulary import (
    CollectionKey,
    SpaceVote,
)
from services.runtime.claim_check import StoredClaims, redeeming
from services.runtime.event_log.ports import NewRecord
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.events import EVENT_ID, EventWriter
from services.runtime.follower import Follower
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS
from tests.fakes.object_store import InMemoryStore

WAIT_S = 5.0


BIRDS = CollectionKey("acme", "birds")


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
