"""Kept versions over the real memory and an object store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from services.kernel.errors import Conflict, Corrupt, NotFound, Unavailable
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.domain.versions import same
from services.runtime.object_store.ports import ObjectEntry
from tests.fakes.exemplars import BIRDS, SEA
from tests.fakes.object_store import InMemoryStore
from tests.fakes.shelves import ShelvedReplica, labels
from tests.unit.retrieval.adapters.versions.kept import ALL, bird, keep, replica


def test_a_version_is_what_the_memory_was_also_for_another_replica() -> None:
    store = InMemoryStore()
    with replica(store) as one, replica(store) as other:
        for number in range(40):  # some in segments with their dead, some in the buffer
            one.remember(bird(f"x{number}", turn=number))
            if number % 12 == 11:
                one.write(f"x{number - 3}", None)
                one.settle()
        taught = list(one.index.view(BIRDS).encoded())

        info = one.shelf.versions.keep(BIRDS, name="spring", description="before the wrens")
        one.remember(bird("x1", "wren"))
        one.write("x2", None)
        one.settle()

        assert (info.exemplars, info.labels, info.memory_version) == (37, 1, f"v1.0-{43}")
        for each in (one, other):
            view = each.shelf.versions.view(BIRDS, "spring")
            assert view.version == info.memory_version
            kept = list(view.encoded())
            assert len(kept) == 37
            assert all(same(*pair) for pair in zip(kept, taught, strict=True))
            (found,) = view.nearest([taught[5].embeddings[0]], most=1, scope=ALL)
            assert found.hits[0].exemplar == taught[5].exemplar
        assert [each.name for each in other.shelf.versions.list(BIRDS)] == ["spring"]
        assert list(other.shelf.versions.list(SEA)) == []


def test_an_empty_memory_can_be_kept() -> None:
    with replica(InMemoryStore()) as one:
        assert one.shelf.versions.keep(BIRDS, name="empty", description="").exemplars == 0
        assert labels(one.shelf.versions.view(BIRDS, "empty")) == {}


def test_a_name_that_is_taken_is_refused_before_anything_is_stored() -> None:
    store = InMemoryStore()
    with replica(store) as one:
        keep(one, "spring")
        one.remember(bird("a"))
        before = len(list(store.list("")))
        with pytest.raises(Conflict):
            keep(one, "spring")
        assert len(list(store.list(""))) == before


class Failing(InMemoryStore):
    """Refuses to store after so many objects."""

    left = 10_000

    def put(self, key: str, data: bytes) -> None:
        self._count()
        super().put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._count()
        return super().put_if_absent(key, data)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unavailable("full")


def test_a_keeping_that_broke_off_anywhere_kept_nothing_and_can_be_repeated() -> None:
    for allowed in range(100):
        store = Failing()
        with replica(store) as one, replica(store) as other:
            one.remember(bird("a"))
            one.settle()
            one.remember(bird("b"))
            store.left = allowed
            try:
                keep(one, "spring")
            except Unavailable:
                assert list(other.shelf.versions.list(BIRDS)) == []
                store.left = 10_000
                keep(one, "spring")
                assert labels(other.shelf.versions.view(BIRDS, "spring")) == {"a": "robin", "b": "robin"}
            else:
                break
    assert allowed > 6  # two segments of several files, and the version


def test_a_segment_that_is_merged_away_meanwhile_is_no_obstacle() -> None:
    class Merging(InMemoryStore):
        one: ShelvedReplica | None = None

        def list(self, prefix: str) -> Iterator[ObjectEntry]:
            if self.one is not None and prefix.startswith("memory/damaged"):
                one, self.one = self.one, None
                for path in list(one.local.segments.iterdir()):
                    shutil.rmtree(path)
                one.remember(bird("c"))
                one.write("a", None)
                one.index.flush()
                one.index._merge(BIRDS, one.index._collections[BIRDS].segments)
            return super().list(prefix)

    store = Merging()
    with replica(store) as one, replica(store) as other:
        for name in "ab":
            one.remember(bird(name))
            one.index.flush()
        store.one = one
        keep(one, "spring")

        assert labels(other.shelf.versions.view(BIRDS, "spring")) == {"b": "robin", "c": "robin"}


def test_segments_of_kept_versions_outlive_every_snapshot_and_go_when_they_are_deleted() -> None:
    store = InMemoryStore()
    with replica(store) as one, replica(store) as other:
        one.remember(bird("a"))
        keep(one, "spring")
        keep(one, "twin")
        snapshots = SnapshotStore(store, also_named=other.shelf.versions.digests)

        snapshots.collect(keep=1, grace_s=-10.0)
        assert labels(other.shelf.versions.view(BIRDS, "spring")) == {"a": "robin"}

        one.shelf.versions.delete(BIRDS, "spring")
        snapshots.collect(keep=1, grace_s=-10.0)
        assert labels(other.shelf.versions.view(BIRDS, "twin")) == {"a": "robin"}
        with pytest.raises(NotFound, match="there are twin"):
            other.shelf.versions.view(BIRDS, "spring")

        one.shelf.versions.delete(BIRDS, "twin")
        snapshots.collect(keep=1, grace_s=-10.0)
        assert list(store.list("memory/segments/")) == []


def test_nothing_is_collected_that_a_damaged_version_may_name() -> None:
    store = InMemoryStore()
    with replica(store) as one:
        one.remember(bird("a"))
        keep(one, "spring")
        (entry,) = store.list("memory/versions/")
        store.put(entry.key, store.get(entry.key)[:-3])

        SnapshotStore(store, also_named=one.shelf.versions.digests).collect(keep=1, grace_s=-10.0)

        assert list(store.list("memory/segments/"))
        with pytest.raises(Corrupt, match="spring"):
            one.shelf.versions.view(BIRDS, "spring")


def test_a_version_that_is_deleted_while_it_is_cleaned_stays_deleted() -> None:
    class Deleting(InMemoryStore):
        one: ShelvedReplica | None = None

        def put(self, key: str, data: bytes) -> None:
            super().put(key, data)
            if self.one is not None and "/segments/" in key:
                one, self.one = self.one, None
                one.shelf.versions.delete(BIRDS, "spring")

    store = Deleting()
    with replica(store) as one:
        for name in "ab":
            one.remember(bird(name))
        keep(one, "spring")
        one.erase("a")
        store.one = one

        one.housekeeping.turn()

        assert list(one.shelf.versions.list(BIRDS)) == []
