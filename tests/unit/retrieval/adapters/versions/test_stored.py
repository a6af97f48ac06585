"""Kept versions over the real memory and an object store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kernel.errors import Conflict, Corrupt, NotFound, Unavailable
from services.kernel.vocabulary import EncodedExemplar
from services.retrieval.adapters.memory.holders import SegmentView
from services.retrieval.adapters.memory.parameters import Parameters
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.domain import Scope
from services.retrieval.domain.versions import same
from services.runtime.object_store.ports import ObjectEntry, ObjectStore
from tests.fakes.exemplars import BIRDS, SEA, embedding, encoded
from tests.fakes.object_store import InMemoryStore
from tests.fakes.replica import SMALL
from tests.fakes.shelves import ShelvedReplica, labels

ALL = Scope()
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (where a flush costs nothing)

LAZY = Parameters()  # merges nothing as small as what is taught here


def bird(name: str, label: str = "robin", turn: float = 1.0) -> EncodedExemplar:
    return encoded(name, label, [embedding(turn, 1, *range(14))], {"turn": float(turn)})


@contextmanager
def replica(store: ObjectStore, parameters: Parameters = SMALL) -> Iterator[ShelvedReplica]:
    folder = tempfile.mkdtemp(dir=IN_MEMORY)
    try:
        yield ShelvedReplica(Path(folder), store, parameters)
    finally:
        shutil.rmtree(folder)


def keep(one: ShelvedReplica, name: str) -> None:
    one.shelf.versions.keep(BIRDS, name=name, description="")


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


def test_what_is_erased_is_in_no_version_from_the_moment_that_it_is_marked() -> None:
    store = InMemoryStore()
    with replica(store) as one, replica(store) as other:
        for name in "abc":
            one.remember(bird(name))
        keep(one, "spring")
        one.shelf.versions.view(BIRDS, "spring")  # open already

        one.shelf.register.mark(BIRDS, ["b"], "")

        for each in (one, other):
            view = each.shelf.versions.view(BIRDS, "spring")
            assert labels(view) == {"a": "robin", "c": "robin"}
            (found,) = view.nearest([bird("b").embeddings[0]], most=9, scope=ALL)
            assert {hit.exemplar.exemplar_id for hit in found.hits} == {"a", "c"}
        assert one.shelf.versions.erased(BIRDS, "spring") == {"b"}


def test_what_was_taught_again_is_kept_again() -> None:
    with replica(InMemoryStore()) as one:
        one.remember(bird("a"))
        keep(one, "before")
        one.erase("a")
        one.remember(bird("a", "wren"))
        keep(one, "after")
        one.housekeeping.turn()

        assert labels(one.shelf.versions.view(BIRDS, "before")) == {}
        assert labels(one.shelf.versions.view(BIRDS, "after")) == {"a": "wren"}
        assert one.shelf.versions.erased(BIRDS, "after") == set()


def test_the_bytes_of_what_was_erased_are_removed_everywhere() -> None:
    store = InMemoryStore()
    with replica(store) as one, replica(store) as other:
        for name in ("secret", "other"):
            one.remember(bird(name))
            store.put(f"acme/images/birds/{name}", b"pixels")
        one.settle()
        keep(one, "spring")
        one.write("secret", None)  # dead in the segment that both versions have
        keep(one, "summer")
        one.erase("secret")
        assert _holding(store, "secret")

        for _ in range(2):
            other.housekeeping.turn()
            one.housekeeping.turn()
            one.settle()
            one.local.remove(one.local.names() - {view.segment.folder.name for view in _segments(one)})
        SnapshotStore(store, also_named=one.shelf.versions.digests).collect(keep=1, grace_s=-10.0)

        assert _holding(store, "secret") == []
        assert one.bytes_of("secret") == []
        for each in (one, other):
            for name in ("spring", "summer"):
                assert labels(each.shelf.versions.view(BIRDS, name)) == {"other": "robin"}
        assert [info.exemplars for info in one.shelf.versions.list(BIRDS)] == [1, 1]
        assert labels(one.index.view(BIRDS)) == {"other": "robin"}


def test_what_was_erased_is_removed_from_a_segment_that_has_no_other_reason_to_be_written_anew() -> None:
    with replica(InMemoryStore(), LAZY) as one:
        for number in range(50):
            one.remember(bird(f"secret-{number}" if number == 7 else f"x{number}"))
        one.settle()
        one.erase("secret-7")
        one.settle()
        assert one.bytes_of("secret-7")

        one.housekeeping.turn()
        one.settle()
        one.local.remove(one.local.names() - {view.segment.folder.name for view in _segments(one)})

        assert one.bytes_of("secret-7") == []
        assert len(labels(one.index.view(BIRDS))) == 49
        assert one.index.erase(BIRDS, ["secret-7"])


def test_the_image_of_what_was_erased_goes_unless_it_was_taught_again() -> None:
    store = InMemoryStore()

    def pictured(name: str) -> EncodedExemplar:
        taught = bird(name)
        assert taught.exemplar.image is not None
        key = f"acme/images/birds/{name}"
        store.put(key, b"pixels")
        image = replace(taught.exemplar.image, key=key)
        return replace(taught, exemplar=replace(taught.exemplar, image=image))

    with replica(store) as one:
        for name in ("gone", "again", "never erased"):
            one.remember(pictured(name.replace(" ", "-")))
        keep(one, "spring")
        one.erase("gone", "again")
        one.remember(pictured("again"))

        one.housekeeping.turn()

        assert [entry.key for entry in store.list("acme/images/")] == [
            "acme/images/birds/again",
            "acme/images/birds/never-erased",
        ]


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


def _segments(one: ShelvedReplica) -> list[SegmentView]:
    return [view for each in one.index._collections.values() for view in each.segments]


def _holding(store: InMemoryStore, text: str) -> list[str]:
    """Return the objects that hold a text, but for the register, which has to."""
    found = [entry.key for entry in store.list("memory/") if text.encode() in store.get(entry.key)]
    return [key for key in found if not key.startswith("memory/erased/")]


NAMES = st.sampled_from(["a", "b", "c", "d"])
VERSIONS = st.sampled_from(["spring", "summer"])
STEPS = st.one_of(
    st.tuples(st.just("teach"), NAMES, st.sampled_from(["robin", "wren"])),
    st.tuples(st.just("forget"), NAMES, st.just("")),
    st.tuples(st.just("erase"), NAMES, st.just("")),
    st.tuples(st.just("keep"), VERSIONS, st.just("")),
    st.tuples(st.just("delete"), VERSIONS, st.just("")),
    st.tuples(st.just("settle"), st.just(""), st.just("")),
    st.tuples(st.just("clean"), st.just(""), st.just("")),
    st.tuples(st.just("collect"), st.just(""), st.just("")),
)


class Oracle:
    """The same as dictionaries."""

    def __init__(self) -> None:
        self.memory: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}

    def step(self, what: str, name: str, label: str) -> None:
        if what == "teach":
            self.memory[name] = label
        elif what in {"forget", "erase"}:
            self.memory.pop(name, None)
            if what == "erase":
                for version in self.versions.values():
                    version.pop(name, None)
        elif what == "keep":
            self.versions.setdefault(name, dict(self.memory))
        elif what == "delete":
            self.versions.pop(name, None)


def _do(one: ShelvedReplica, store: InMemoryStore, what: str, name: str, label: str) -> None:
    collect = SnapshotStore(store, also_named=one.shelf.versions.digests).collect
    actions: dict[str, Callable[[], object]] = {
        "teach": lambda: one.remember(bird(name, label)),
        "forget": lambda: one.write(name, None),
        "erase": lambda: one.erase(name),
        "keep": lambda: keep(one, name),
        "delete": lambda: one.shelf.versions.delete(BIRDS, name),
        "settle": one.settle,
        "clean": one.housekeeping.turn,
        "collect": lambda: collect(keep=1, grace_s=-10.0),
    }
    with suppress(Conflict, NotFound):
        actions[what]()


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=30))
def test_whatever_is_done_versions_are_what_dictionaries_are(steps: list[tuple[str, str, str]]) -> None:
    store, oracle = InMemoryStore(), Oracle()
    with replica(store) as one, replica(store) as other:
        for step in steps:
            _do(one, store, *step)
            oracle.step(*step)
        assert labels(one.index.view(BIRDS)) == oracle.memory
        for each in (one, other):
            assert {info.name for info in each.shelf.versions.list(BIRDS)} == oracle.versions.keys()
            for name, kept in oracle.versions.items():
                view = each.shelf.versions.view(BIRDS, name)
                assert labels(view) == kept
                assert dict(view.labels()) == _counts(kept)
                for encoded_ in view.encoded():
                    np.testing.assert_array_equal(
                        encoded_.embeddings[0].vector, bird("x").embeddings[0].vector
                    )


def _counts(kept: dict[str, str]) -> dict[str, int]:
    return {label: list(kept.values()).count(label) for label in set(kept.values())}
