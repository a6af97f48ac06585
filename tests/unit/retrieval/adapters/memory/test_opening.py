from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from services.kernel.errors import Unavailable
from services.retrieval.adapters.memory.catalogue import Catalogue
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.freshness import Limits, LogState
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.opening import Opening
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.runtime.object_store.ports import ObjectEntry
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.object_store import InMemoryStore

NOW_S = 100_000.0
LIMITS: Final = Limits(tombstones_s=1_000.0, margin_s=100.0)
NORTH = embedding(0, 1)
FAR = 1_000_000
LOG = "this log"


class Store(InMemoryStore):
    """Stores everything at one moment by its own clock, counts who reads, and may be down."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.down = False
        self.clock_s = NOW_S

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        self._count()
        return (ObjectEntry(each.key, each.size_bytes, self.clock_s) for each in super().list(prefix))

    def get(self, key: str) -> bytes:
        self._count()
        return super().get(key)

    def flip(self, prefix: str) -> None:
        """Damage whatever begins with this."""
        for each in list(super().list(prefix)):
            data = super().get(each.key)
            self.put(each.key, data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])

    def _count(self) -> None:
        self.asked += 1
        if self.down:
            raise Unavailable("the object store is down")


class Start:
    """A replica's disk and what all replicas share, before a start."""

    def __init__(self, folder: Path) -> None:
        self.store = Store()
        self.snapshots = SnapshotStore(self.store)
        self.local = LocalMemory(folder / "mine")
        self._others = folder / "others"
        self.refused: list[str] = []
        self.index = SegmentedIndex(self.local.segments)
        self.opening = Opening(
            self.local, self.snapshots, refused=self.refused.append, limits=LIMITS, patience_s=0.0
        )

    def kept(self, *ids: str, offset: int, age_s: float = 10.0) -> Catalogue:
        """Have kept these on the own disk."""
        catalogue = _written(self.local.segments, ids, offset=offset, as_of_s=NOW_S - age_s)
        self.local.catalogue.write(catalogue)
        return catalogue

    def stored(self, *ids: str, offset: int, age_s: float = 10.0) -> Catalogue:
        """Have another replica store a snapshot of these."""
        self._others.mkdir(exist_ok=True)
        catalogue = _written(self._others, ids, offset=offset, as_of_s=NOW_S - age_s)
        self.snapshots.write(catalogue, self._others)
        self.store.asked = 0
        return catalogue

    def open(self, *, end: int) -> Mapping[int, int] | None:
        found = self.opening(self.index, LogState(LOG, {0: end}), NOW_S)
        return None if found is None else found.offsets

    def ids(self) -> list[str]:
        return [each.exemplar_id for each in self.index.view(BIRDS).exemplars()]


def _written(folder: Path, ids: tuple[str, ...], *, offset: int, as_of_s: float) -> Catalogue:
    index = SegmentedIndex(folder)
    changes = [Change(BIRDS, each, encoded(each, "robin", [NORTH])) for each in ids]
    index.apply(changes, {0: offset})
    return Catalogue.of(index.flush(), as_of_s=as_of_s, writer="somebody", log=LOG)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    return Start(tmp_path)


def test_a_first_start_begins_with_nothing(start: Start) -> None:
    assert start.open(end=7) is None
    assert (start.ids(), start.refused) == ([], [])


def test_the_own_disk_is_enough_and_the_store_is_not_asked(start: Start) -> None:
    start.stored("a", "b", offset=7)
    start.kept("a", offset=5)

    assert start.open(end=7) == {0: 5}
    assert start.ids() == ["a"]
    assert start.store.asked == 0
    assert start.index.view(BIRDS).version == "v1.0-5"


def test_an_empty_disk_is_filled_from_the_newest_snapshot(start: Start) -> None:
    start.stored("a", offset=5)
    newest = start.stored("a", "b", offset=7)

    assert start.open(end=9) == {0: 7}
    assert start.ids() == ["a", "b"]
    assert start.local.names() == newest.digests
    assert start.local.current == newest
    assert start.refused == []


def test_a_snapshot_that_is_much_nearer_to_the_end_is_fetched(start: Start) -> None:
    start.kept("a", offset=5)
    start.stored("b", offset=FAR)

    assert start.open(end=FAR + 5) == {0: FAR}
    assert start.ids() == ["b"]


def test_a_disk_that_is_far_behind_but_not_more_than_the_snapshots_is_used(start: Start) -> None:
    start.kept("a", offset=7)
    start.stored("b", offset=6)

    assert start.open(end=FAR) == {0: 7}
    assert start.refused == []


@pytest.mark.parametrize("damage", ["catalogue", "segment", "no segment"])
def test_a_damaged_disk_is_replaced_from_a_snapshot(start: Start, damage: str) -> None:
    kept = start.kept("a", offset=5)
    start.stored("b", offset=6)
    (digest,) = kept.digests
    if damage == "catalogue":
        (start.local.segments.parent / "catalogue.json").write_bytes(b'{"format": 1')
    elif damage == "segment":
        (start.local.segments / digest / "exemplars.bin").write_bytes(b"")
    else:
        start.local.remove([digest])

    assert start.open(end=9) == {0: 6}
    assert start.ids() == ["b"]
    assert start.refused == ["missing" if damage != "catalogue" else "damaged"]


def test_a_segment_that_the_disk_lacks_is_fetched_alone(start: Start) -> None:
    stored = start.stored("a", offset=5)
    kept = start.kept("a", offset=5)
    start.local.remove(kept.digests)

    assert kept.digests == stored.digests
    assert start.open(end=9) == {0: 5}
    assert start.refused == []


def test_without_a_store_a_damaged_disk_means_the_whole_log(start: Start) -> None:
    start.kept("a", offset=5)
    start.local.remove(start.local.names())
    opening = Opening(start.local, None, refused=start.refused.append, limits=LIMITS)

    assert opening(start.index, LogState(LOG, {0: 7}), NOW_S) is None
    assert start.refused == ["missing"]


@pytest.mark.parametrize("what", ["snapshots/000000000002.json", "segments/"])
def test_a_damaged_snapshot_raises_an_alarm_and_an_older_one_is_used(
    start: Start, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    start.stored("a", offset=5)
    older = start.store
    copies = {each.key: older.get(each.key) for each in older.list("memory/segments/")}
    start.stored("b", offset=6)
    older.flip(f"memory/{what}")
    for key, data in copies.items():
        older.put(key, data)

    assert start.open(end=9) == {0: 5}
    assert start.ids() == ["a"]
    assert start.refused == ["damaged"]
    assert "snapshot 2" in caplog.text


def test_a_snapshot_of_another_log_is_refused(start: Start) -> None:
    start.stored("a", offset=70)

    assert start.open(end=7) is None
    assert start.refused == ["other_log"]


def test_what_is_older_than_the_logs_tombstones_is_refused(start: Start) -> None:
    start.stored("a", offset=5, age_s=901.0)
    start.kept("a", offset=6, age_s=901.0)

    assert start.open(end=7) is None
    assert start.refused == ["too_old", "too_old"]
    assert start.local.names() == set()


def test_a_writer_whose_clock_was_ahead_is_not_believed(start: Start) -> None:
    start.stored("a", offset=5, age_s=-90.0)
    start.store.clock_s = NOW_S - 901.0

    assert start.open(end=7) is None
    assert start.refused == ["too_old"]


def test_a_memory_that_nothing_came_after_is_opened_however_old_it_is(start: Start) -> None:
    start.kept("a", offset=7, age_s=1e6)

    assert start.open(end=7) == {0: 7}


def test_an_object_store_that_is_down_does_not_keep_a_replica_from_starting(start: Start) -> None:
    start.stored("a", offset=5)
    start.store.down = True

    assert start.open(end=7) is None
    assert start.refused == ["unavailable"]


def test_an_object_store_that_comes_back_in_time_is_used(start: Start) -> None:
    class Back(Store):
        def list(self, prefix: str) -> Iterator[ObjectEntry]:
            self.down = self.asked < 2
            return super().list(prefix)

    start.stored("a", offset=5)
    back = Back()
    back._objects = start.store._objects
    opening = Opening(
        start.local, SnapshotStore(back), refused=start.refused.append, limits=LIMITS, patience_s=30.0
    )

    found = opening(start.index, LogState(LOG, {0: 7}), NOW_S)

    assert found is not None
    assert start.refused == []


def test_a_start_that_is_broken_off_ends_soon(start: Start) -> None:
    start.store.down = True
    opening = Opening(
        start.local, start.snapshots, refused=start.refused.append, limits=LIMITS, patience_s=1e6
    )
    opening.stop()

    assert opening(start.index, LogState(LOG, {0: 7}), NOW_S) is None
