"""Replicas over an event log, with their memory in a milvus-lite."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.kernel.errors import Unavailable
from services.retrieval.adapters.exemplar_records import TOPIC
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.memory.snapshot_writer import Schedule
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.adapters.milvus import bulk
from services.retrieval.adapters.milvus.connection import Address, Connection
from services.retrieval.adapters.milvus.engine import MilvusEngine, MilvusSettings
from services.retrieval.adapters.milvus.keeper import Rhythm
from services.retrieval.adapters.milvus.schema import Layout
from services.retrieval.adapters.milvus.state import State, StateTable
from services.retrieval.adapters.milvus.writer import MilvusWriter
from services.retrieval.domain import Scope
from services.runtime import memory_version
from services.runtime.claim_check import NoClaims
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.metrics import Metrics
from services.runtime.topics import TOPICS
from tests.fakes.exemplars import BIRDS, SEA, embedding, encoded
from tests.fakes.milvus import LiteServer
from tests.fakes.object_store import InMemoryStore
from tests.fakes.replica import AT_ONCE, Replica, forgotten, publish, taught

pytestmark = pytest.mark.integration

NORTH = embedding(0, 1)
PATIENCE_S = 60.0
QUICK = Rhythm(look_every_s=0.1, publish_every_s=0.2, collect_every_s=0.2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiteServer]:
    with LiteServer(tmp_path_factory.mktemp("milvus")) as started:
        yield started


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with closing(SqliteLog(tmp_path / "events.db", TOPICS.settings())) as opened:
        yield opened


@pytest.fixture
def layout(request: pytest.FixtureRequest) -> Layout:
    return Layout(prefix=f"t{abs(hash(request.node.name)) % 10**9}", index="FLAT", partitions=4)


class OneOfMany:
    """A replica, whose metrics and log may be looked at."""

    def __init__(
        self, address: Address, layout: Layout, log: EventLog, snapshots: SnapshotStore | None = None
    ) -> None:
        self.log = Watched(log)
        self.metrics = Metrics()
        self.engine = MilvusEngine(
            MilvusSettings(address, layout, rhythm=QUICK),
            self.log,
            snapshots=snapshots,
            claims=NoClaims(),
            metrics=self.metrics.memory,
        )
        self.memory = LogMemory(self.engine.watch, self.engine.watch.wait_until, most_wait_s=PATIENCE_S)

    def labels(self, offsets: Mapping[int, int] | None = None) -> dict[str, int]:
        version = memory_version.encode(offsets or {})
        return dict(self.memory.view(BIRDS, at_least=version if offsets else "").labels())

    def is_ready(self) -> bool:
        try:
            self.engine.watch.check()
        except Unavailable:
            return False
        return True


class Watched:
    """A log that notes from where it was followed."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.starts: list[dict[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def tail(self, topics: Any, *, start: Any = "end") -> Any:
        self.starts.append({source.partition: offset for source, offset in start.items()})
        return self._log.tail(topics, start=start)


@contextmanager
def replica(
    address: Address, layout: Layout, log: EventLog, snapshots: SnapshotStore | None = None
) -> Iterator[OneOfMany]:
    found = OneOfMany(address, layout, log, snapshots)
    found.engine.start()
    try:
        eventually(found.is_ready)
        yield found
    finally:
        found.engine.close()


def eventually(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def teach(log: EventLog, *ids: str, label: str = "robin") -> dict[int, int]:
    return publish(log, *(taught(encoded(each, label, [NORTH])) for each in ids))


def test_two_replicas_show_what_one_of_them_writes(
    server: LiteServer, layout: Layout, log: SqliteLog
) -> None:
    with replica(server.address, layout, log) as one, replica(server.address, layout, log) as other:
        offsets = teach(log, "a", "b")
        publish(log, taught(encoded("c", "wren", [NORTH]), SEA))

        assert one.labels(offsets) == other.labels(offsets) == {"robin": 2}
        eventually(lambda: one.engine.seat.is_held() != other.engine.seat.is_held())
        offsets = publish(log, forgotten("a"))
        assert one.labels(offsets) == other.labels(offsets) == {"robin": 1}


def test_another_replica_goes_on_writing_when_the_writer_ends(
    server: LiteServer, layout: Layout, log: SqliteLog
) -> None:
    with ExitStack() as stack, replica(server.address, layout, log) as other:
        one = stack.enter_context(replica(server.address, layout, log))
        eventually(lambda: one.engine.seat.is_held() != other.engine.seat.is_held())
        writer, heir = (one, other) if one.engine.seat.is_held() else (other, one)
        teach(log, "a")
        writer.engine.keeper.close()

        assert heir.labels(teach(log, "b")) == {"robin": 2}


def test_a_restart_reads_only_what_came_after_what_milvus_has(
    server: LiteServer, layout: Layout, log: SqliteLog
) -> None:
    with replica(server.address, layout, log) as before:
        offsets = teach(log, *(f"x{number}" for number in range(20)))
        assert before.labels(offsets) == {"robin": 20}
        connection = Connection(server.address)
        eventually(lambda: (found := StateTable(connection, layout).read()) and found.as_of_s)
        connection.close()
    newer = teach(log, "y")

    with replica(server.address, layout, log) as after:
        assert after.labels(newer) == {"robin": 21}
        (start,) = after.log.starts
        assert start == {**start, **offsets}


def test_a_memory_of_another_log_is_dropped(
    server: LiteServer, layout: Layout, log: SqliteLog, tmp_path: Path
) -> None:
    with replica(server.address, layout, log) as before:
        assert before.labels(teach(log, "of the old log")) == {"robin": 1}

    with closing(SqliteLog(tmp_path / "new.db", TOPICS.settings())) as new:
        offsets = teach(new, "a", label="wren")
        with replica(server.address, layout, new) as after:
            assert after.labels(offsets) == {"wren": 1}
            refused = after.metrics.registry.get_sample_value(
                "fovea_memory_refused_total", {"reason": "other_log"}
            )
            assert refused == 1


def test_while_milvus_is_down_nothing_is_answered_and_then_all_is_there(
    tmp_path: Path, layout: Layout, log: SqliteLog
) -> None:
    with LiteServer(tmp_path / "own") as server:
        address = replace(server.address, timeout_s=1.0)
        with replica(address, layout, log) as one:
            assert one.labels(teach(log, "a")) == {"robin": 1}
            server.stop()
            offsets = teach(log, "b")

            with pytest.raises(Unavailable) as refused:
                one.memory.view(BIRDS).nearest([NORTH], most=1, scope=Scope())
            assert refused.value.reason == "MILVUS_UNAVAILABLE"
            server.start()

            assert one.labels(offsets) == {"robin": 2}
            eventually(one.is_ready)


def test_a_replica_starts_while_milvus_is_down(tmp_path: Path, layout: Layout, log: SqliteLog) -> None:
    with LiteServer(tmp_path / "own") as server:
        server.stop()
        one = OneOfMany(replace(server.address, timeout_s=1.0), layout, log)
        one.engine.start()
        with closing(one.engine):
            with pytest.raises(Unavailable):
                one.engine.watch.check()
            with pytest.raises(Unavailable) as refused:
                one.memory.view(BIRDS)
            assert refused.value.reason == "MEMORY_NOT_READY"
            server.start()
            eventually(one.is_ready)


@pytest.fixture
def snapshots(tmp_path: Path, log: SqliteLog) -> tuple[InMemoryStore, dict[int, int]]:
    """Return a store with a snapshot of a memory of segments, and its offsets."""
    store = InMemoryStore()
    with Replica(tmp_path / "segments", log, store, rhythm=AT_ONCE) as segments:
        teach(log, *(f"x{number}" for number in range(30)))
        publish(log, taught(encoded("moved", "wren", [NORTH], {"place": "wood"})), forgotten("x3"))
        offsets = dict(log.end_offsets(TOPIC))
        segments.wait(offsets)
        eventually(lambda: segments.local.current and segments.local.current.offsets == offsets)
        segments.writer(Schedule(0.0)).turn()
    return store, offsets


def test_an_empty_milvus_begins_with_the_newest_snapshot(
    server: LiteServer,
    layout: Layout,
    log: SqliteLog,
    snapshots: tuple[InMemoryStore, dict[int, int]],
) -> None:
    store, offsets = snapshots
    newer = teach(log, "y")
    with replica(server.address, layout, log, SnapshotStore(store)) as one:
        assert one.log.starts == [offsets]
        assert one.labels(newer) == {"robin": 30, "wren": 1}
        found = one.memory.view(BIRDS).find({"moved", "x3"})
        assert [dict(each.exemplar.attributes) for each in found.values()] == [{"place": "wood"}]


def test_a_snapshot_that_breaks_off_is_never_visible(
    server: LiteServer,
    layout: Layout,
    log: SqliteLog,
    snapshots: tuple[InMemoryStore, dict[int, int]],
) -> None:
    """The segment is damaged, so the log is read instead; nothing of the snapshot stays."""
    store, _ = snapshots
    for key in [entry.key for entry in store.list("") if "vectors" in entry.key]:
        store.put(key, b"damaged")
    with replica(server.address, layout, log, SnapshotStore(store)) as one:
        assert one.labels() == {"robin": 29, "wren": 1}
        assert all(not any(start.values()) for start in one.log.starts)


def test_a_snapshot_that_ends_half_way_begins_anew(
    server: LiteServer,
    layout: Layout,
    log: SqliteLog,
    snapshots: tuple[InMemoryStore, dict[int, int]],
) -> None:
    """The writer is killed at its third write, when rows are there already."""
    store, offsets = snapshots
    connection = Connection(server.address)
    writes = itertools.count()
    begun = threading.Event()

    def killed_at_the_third_write() -> None:
        if begun.is_set() and next(writes) >= 2:
            raise Unavailable("killed")

    writer = MilvusWriter(connection, layout, fence=killed_at_the_third_write, keep_s=60.0)
    kept = SnapshotStore(store)
    newest = kept.read(kept.snapshots()[0].number)
    writer.begin(State(log=log.identity(TOPIC)))
    begun.set()
    with pytest.raises(Unavailable, match="killed"):
        bulk.load(newest, kept, writer)
    assert connection.count(layout.exemplars, "born >= 0") > 0
    assert StateTable(connection, layout).read() is None
    connection.close()

    with replica(server.address, layout, log, kept) as one:
        assert one.labels(offsets) == {"robin": 29, "wren": 1}
