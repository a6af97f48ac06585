from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.kernel.errors import Unavailable
from services.retrieval.adapters.memory.snapshot_writer import Schedule
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.object_store.ports import ObjectEntry
from services.runtime.topics import TOPICS
from tests.fakes.exemplars import embedding, encoded
from tests.fakes.object_store import InMemoryStore
from tests.fakes.replica import AT_ONCE, PATIENCE_S, Replica, publish, taught

NORTH = embedding(0, 1)
ALWAYS = Schedule(every_s=0.0, refresh_every_s=1e6)


class Store(InMemoryStore):
    """May be down."""

    down = False

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        if self.down:
            raise Unavailable("the object store is down")
        return super().list(prefix)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with closing(SqliteLog(tmp_path / "events.db", TOPICS.settings())) as opened:
        yield opened


@pytest.fixture
def store() -> Store:
    return Store()


def teach(log: SqliteLog, replica: Replica, name: str) -> None:
    """Teach, and wait until the replica has written it to its disk."""
    offsets = publish(log, taught(encoded(name, "robin", [NORTH])))
    replica.wait(offsets)
    eventually(lambda: replica.local.current and _covers(replica, offsets))


def _covers(replica: Replica, offsets: dict[int, int]) -> bool:
    kept = replica.local.current
    return kept is not None and all(kept.offsets.get(each, 0) >= end for each, end in offsets.items())


def eventually(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("news", "mine", "age_s", "due"),
    [
        (True, True, 9.0, False),
        (True, True, 10.0, True),
        (True, False, 19.0, False),  # whoever wrote the last one writes the next, while it lives
        (True, False, 20.0, True),
        (False, True, 99.0, False),
        (False, True, 100.0, True),
        (False, False, 199.0, False),
        (False, False, 200.0, True),
    ],
)
def test_one_replica_writes_and_another_takes_over(news: bool, mine: bool, age_s: float, due: bool) -> None:  # noqa: FBT001
    schedule = Schedule(every_s=10.0, refresh_every_s=100.0)

    assert schedule.is_due(news=news, mine=mine, patience=2.0, age_s=age_s) is due


def test_a_replica_with_nothing_of_its_own_opens_what_another_stored(
    tmp_path: Path, log: SqliteLog, store: Store
) -> None:
    with Replica(tmp_path / "one", log, store, rhythm=AT_ONCE) as one:
        writer = one.writer(ALWAYS)
        assert not writer.turn()  # there is nothing yet
        teach(log, one, "a")
        assert writer.turn()
        assert not writer.turn()  # there is nothing new
        publish(log, taught(encoded("b", "wren", [NORTH])))

        with Replica(tmp_path / "other", log, store) as other:
            assert other.memory() == {"a": "robin", "b": "wren"}
            assert other.local.current == SnapshotStore(store).read(1)


def test_what_another_replica_has_stored_is_not_stored_again(
    tmp_path: Path, log: SqliteLog, store: Store
) -> None:
    with (
        Replica(tmp_path / "one", log, store, rhythm=AT_ONCE) as one,
        Replica(tmp_path / "other", log, store, rhythm=AT_ONCE) as other,
    ):
        teach(log, one, "a")
        eventually(lambda: other.local.current)
        mine, theirs = one.writer(ALWAYS), other.writer(ALWAYS)
        assert mine.turn()
        eventually(lambda: other.local.current == one.local.current or _same(one, other))

        assert not theirs.turn()
        assert len(SnapshotStore(store).snapshots()) == 1


def _same(one: Replica, other: Replica) -> bool:
    mine, theirs = one.local.current, other.local.current
    return mine is not None and theirs is not None and mine.offsets == theirs.offsets


def test_old_snapshots_are_collected(tmp_path: Path, log: SqliteLog, store: Store) -> None:
    with Replica(tmp_path / "one", log, store, rhythm=AT_ONCE) as one:
        writer = one.writer(Schedule(every_s=0.0, keep=2, grace_s=-1.0))
        for number in range(5):
            teach(log, one, f"x{number}")
            assert writer.turn()

    assert [each.number for each in SnapshotStore(store).snapshots()] == [5, 4]


def test_a_store_that_is_down_delays_snapshots_and_nothing_else(
    tmp_path: Path, log: SqliteLog, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with Replica(tmp_path / "one", log, store, rhythm=AT_ONCE) as one:
        store.down = True
        writer = one.writer(Schedule(every_s=0.01))
        writer.start()
        try:
            teach(log, one, "a")
            eventually(lambda: one.value("fovea_memory_snapshot_failures_total"))
            assert one.memory() == {"a": "robin"}
            assert math.isnan(one.value("fovea_memory_snapshot_age_seconds") or 0.0)
            store.down = False
            eventually(lambda: one.value("fovea_memory_snapshots_total"))
            assert 0 <= (one.value("fovea_memory_snapshot_age_seconds") or 0.0) < PATIENCE_S
        finally:
            writer.close()
    assert "no snapshot of the memory could be taken" in caplog.text


def test_a_snapshot_that_nobody_would_open_does_not_count(
    tmp_path: Path, log: SqliteLog, store: Store
) -> None:
    store.put("memory/snapshots/000000000007.json", b"damaged")
    with Replica(tmp_path / "one", log, store, rhythm=AT_ONCE) as one:
        teach(log, one, "a")
        assert one.writer(ALWAYS).turn()

    assert [each.number for each in SnapshotStore(store).snapshots()] == [8, 7]
