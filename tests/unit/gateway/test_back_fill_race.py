"""Exemplars that are forgotten or taught anew while they are encoded again: over the real log and loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from fovea.gateway.v1.events_pb2 import ExemplarSubmitted
from services.encoding.entrypoints.handlers import OnExemplarsSubmitted
from services.gateway.adapters.teacher import ENCODED, SUBMITTED, LogTeacher
from services.gateway.domain.collections import DEFAULT_COLLECTION
from services.gateway.domain.migration import Migration
from services.gateway.domain.teaching import Change
from services.gateway.usecases.back_fill import BackFill
from services.gateway.usecases.migrate import Place
from services.kernel.vocabulary import CollectionKey, EncodedExemplar, Exemplar, ExemplarKind
from services.runtime import deadline
from services.runtime.codec.exemplar import read_encoded_exemplar
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_loop import EventLoop, Platform, Subscription
from services.runtime.events import EventWriter, Output
from services.runtime.follower import Follower
from services.runtime.publisher import Publisher
from services.runtime.topics import DEAD, TOPICS
from tests.fakes.encoded import IMAGE, PICTURE, FakeEncoding
from tests.fakes.encoding import DarknessEncoder
from tests.fakes.gateway import SHIPPED, InMemoryCollections, InMemoryImages
from tests.fakes.gateway_steps import FakeEncoder, FakeRetriever
from tests.unit.gateway.test_back_fill import Told

KEY = DEFAULT_COLLECTION
WAIT_S = 20.0


class LogRetriever(FakeRetriever):
    """Reads the memory from its topic, as it is; `meanwhile` runs when a page has been read."""

    def __init__(self, log: SqliteLog) -> None:
        super().__init__()
        self._log = log
        self.meanwhile: Callable[[], None] = lambda: None

    def memory(self) -> Mapping[str, EncodedExemplar]:
        found: dict[str, EncodedExemplar] = {}
        with self._log.tail([ENCODED], start="beginning") as tail:
            ends = self._log.end_offsets(ENCODED)
            while any(offset < ends[source.partition] for source, offset in tail.position().items()):
                for record in tail.poll(0.1, most=1000):
                    exemplar_id = record.key.rpartition("/")[2]
                    message = cast("ExemplarEncoded | None", TOPICS[ENCODED].decode(record))
                    if message is None:
                        found.pop(exemplar_id, None)
                    else:
                        found[exemplar_id] = read_encoded_exemplar(message.exemplar, field="exemplar")
        return found

    def export_exemplars(
        self,
        collection: CollectionKey,
        *,
        min_memory_version: str,
        after: str = "",
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
    ) -> Iterator[EncodedExemplar]:
        memory = self.memory()
        self.exemplars = [each.exemplar for each in memory.values()]
        self.embeddings = {name: each.embeddings for name, each in memory.items()}
        yield from super().export_exemplars(
            collection, min_memory_version=min_memory_version, after=after, having=having, lacking=lacking
        )
        self.meanwhile()

    def count_spaces(
        self, collection: CollectionKey, *, min_memory_version: str
    ) -> Mapping[frozenset[str], int]:
        memory = self.memory()
        self.exemplars = [each.exemplar for each in memory.values()]
        self.embeddings = {name: each.embeddings for name, each in memory.items()}
        return super().count_spaces(collection, min_memory_version=min_memory_version)


class Platformed:
    """A teacher, an encoding service and a back-fill around one log."""

    def __init__(self, folder: Path) -> None:
        self.log = SqliteLog(folder / "log.db", TOPICS.settings())
        self.images = InMemoryImages()
        self.images.store(IMAGE.key, PICTURE)
        writer = EventWriter(TOPICS, producer="gateway/0", system=self.log.system)
        self.teacher = LogTeacher(self.log, Publisher(self.log, writer), self.images)
        self.retriever = LogRetriever(self.log)
        self.collections = InMemoryCollections()
        self.told = Told()
        place = Place(
            self.collections, self.retriever, FakeEncoder(), self.teacher, self.images, SHIPPED.votes
        )
        self.back_fill = BackFill(place, self.told, lambda _: False)
        self._taught = Follower(self.log, [ENCODED, SUBMITTED + DEAD], self.teacher.saw, start="end")
        encoding = FakeEncoding({IMAGE.key: PICTURE}, None, DarknessEncoder(space="other"))
        handle = OnExemplarsSubmitted(encoding.exemplar, encoding.restore)
        self.encoding = threading.Event()
        self.encoding.set()

        def when_it_may(event: ExemplarSubmitted) -> Output | None:
            assert self.encoding.wait(WAIT_S)
            return handle(event)

        self._loop = EventLoop(
            Subscription(SUBMITTED, "encoding", when_it_may, workers=2),
            Platform(self.log, TOPICS, "encoding", "0", flush_after_s=0.0),
        )

    def teach(self, exemplar_id: str, *, label: str = "wren") -> None:
        exemplar = Exemplar(exemplar_id, label, ExemplarKind.IMAGE, image=IMAGE)
        self._change(Change(KEY, exemplar_id, exemplar))

    def forget(self, exemplar_id: str) -> None:
        self._change(Change(KEY, exemplar_id))

    def _change(self, change: Change) -> None:
        with deadline.within(WAIT_S):
            (pending,) = self.teacher.submit([change])
            pending.result()

    def migrate(self) -> None:
        kept = self.collections.find(KEY)
        assert kept is not None
        self.collections.change(replace(kept, migrations=(Migration("visual", "other"),)))

    def settled(self) -> Mapping[str, EncodedExemplar]:
        """Return the memory when all that was handed over is in it."""
        self.teacher.settle(KEY)
        return self.retriever.memory()

    def __enter__(self) -> Platformed:  # noqa: PYI034
        self._taught.start()
        self._loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.stop()
        assert self._loop.join(WAIT_S)
        self._taught.close()
        self.log.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Platformed]:
    with Platformed(tmp_path) as opened:
        yield opened


def spaces(encoded: EncodedExemplar) -> list[str]:
    return [each.space for each in encoded.embeddings]


def test_what_lacks_an_embedding_gets_it(running: Platformed) -> None:
    for number in range(10):
        running.teach(f"e{number}")
    running.migrate()

    assert running.back_fill() == 10

    assert {tuple(spaces(each)) for each in running.settled().values()} == {("visual", "other")}
    assert running.back_fill() == 0


def test_what_is_forgotten_after_it_was_read_stays_forgotten(running: Platformed) -> None:
    for number in range(4):
        running.teach(f"e{number}")
    running.migrate()
    running.retriever.meanwhile = lambda: running.forget("e2")

    running.back_fill()

    memory = running.settled()
    assert sorted(memory) == ["e0", "e1", "e3"]
    assert {tuple(spaces(each)) for each in memory.values()} == {("visual", "other")}


def test_what_is_relabelled_after_it_was_read_keeps_its_new_label_and_is_filled_in_later(
    running: Platformed,
) -> None:
    for number in range(4):
        running.teach(f"e{number}")
    running.migrate()
    running.retriever.meanwhile = lambda: running.teach("e2", label="robin")

    running.back_fill()

    between = running.settled()
    assert (between["e2"].exemplar.label, spaces(between["e2"])) == ("robin", ["visual"])
    running.retriever.meanwhile = lambda: None
    running.back_fill()
    after = running.settled()
    assert (after["e2"].exemplar.label, spaces(after["e2"])) == ("robin", ["visual", "other"])


def test_what_was_forgotten_before_it_was_read_and_is_still_on_its_way_stays_forgotten(
    running: Platformed,
) -> None:
    for number in range(4):
        running.teach(f"e{number}")
    running.migrate()
    running.encoding.clear()
    running.teacher.submit([Change(KEY, "e2")])
    filling = threading.Thread(target=running.back_fill)
    filling.start()
    time.sleep(0.5)  # a back-fill that does not wait has read by now what encoding has yet to delete
    running.encoding.set()
    filling.join(WAIT_S)

    assert sorted(running.settled()) == ["e0", "e1", "e3"]


def test_two_that_fill_in_at_once_do_not_undo_each_other(running: Platformed) -> None:
    for number in range(6):
        running.teach(f"e{number}")
    running.migrate()
    others = [threading.Thread(target=running.back_fill) for _ in range(2)]

    for other in others:
        other.start()
    running.forget("e0")
    running.back_fill()
    for other in others:
        other.join(WAIT_S)

    memory = running.settled()
    assert sorted(memory) == [f"e{number}" for number in range(1, 6)]
    assert {tuple(spaces(each)) for each in memory.values()} == {("visual", "other")}
