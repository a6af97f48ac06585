"""Whatever is taught, kept, erased and deleted, versions are what dictionaries are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kernel.errors import Conflict, NotFound
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from tests.fakes.exemplars import BIRDS
from tests.fakes.object_store import InMemoryStore
from tests.fakes.shelves import ShelvedReplica, labels
from tests.unit.retrieval.adapters.versions.kept import bird, keep, replica

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
