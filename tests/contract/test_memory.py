"""What every Memory must do. The fake and the real one both pass this file."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import DeadlineExceeded, InvalidInput, Unavailable
from services.kernel.vocabulary import CollectionKey, Condition, Embedding, EncodedExemplar, ExemplarKind
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.domain import Scope
from services.retrieval.ports import Found, Memory, MemoryView
from services.runtime import memory_version
from services.runtime.event_log.ports import TopicPartition
from tests.fakes.exemplars import BIRDS, ENCODER, OTHER_DIGEST, SEA, described, embedding, encoded
from tests.fakes.memory import InMemoryMemory

ALL = Scope()
NORTH = embedding(0, 1)
EAST = embedding(1, 0)
NORTH_EAST = embedding(1, 1)
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (where a flush costs nothing)


class Writable(Memory, Protocol):
    def remember(self, collection: CollectionKey, encoded: EncodedExemplar) -> str: ...

    def forget(self, collection: CollectionKey, exemplar_id: str) -> str: ...


class WritableSegments:
    """The segments, written to as the follower of the log does; every few writes the keeper has its turn."""

    def __init__(self, turn: int = 7) -> None:
        folder = tempfile.mkdtemp(prefix="memory-", dir=_IN_MEMORY)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.index = SegmentedIndex(Path(folder))
        self._memory = LogMemory(self.index, self._wait, most_wait_s=0.01)
        self._turn = turn
        self._written = 0

    def remember(self, collection: CollectionKey, encoded: EncodedExemplar) -> str:
        return self._write(Change(collection, encoded.exemplar.exemplar_id, encoded))

    def forget(self, collection: CollectionKey, exemplar_id: str) -> str:
        return self._write(Change(collection, exemplar_id, None))

    def view(self, collection: CollectionKey, *, at_least: str = "") -> MemoryView:
        return self._memory.view(collection, at_least=at_least)

    def _write(self, change: Change) -> str:
        self._written += 1
        self.index.apply([change], {0: self._written})
        if self._written % self._turn == 0:
            self.index.flush()
            self.index.maintain()
        return memory_version.encode({0: self._written})

    def _wait(self, offsets: Mapping[TopicPartition, int], _: float) -> bool:
        return all(self._written >= offset for offset in offsets.values())


@contextmanager
def fake() -> Iterator[Writable]:
    yield InMemoryMemory()


@contextmanager
def in_the_buffer() -> Iterator[Writable]:
    yield WritableSegments(turn=1_000_000)


@contextmanager
def in_segments() -> Iterator[Writable]:
    yield WritableSegments()


@contextmanager
def in_many_segments() -> Iterator[Writable]:
    yield WritableSegments(turn=1)


@contextmanager
def in_milvus() -> Iterator[Writable]:
    from tests.fakes.milvus import WritableMilvus  # noqa: PLC0415  (slow, and for integration alone)

    memory = WritableMilvus()
    try:
        yield memory
    finally:
        memory.close()


MEMORIES: dict[str, Callable[[], AbstractContextManager[Writable]]] = {
    "fake": fake,
    "buffer": in_the_buffer,
    "segments": in_segments,
    "many segments": in_many_segments,
    "milvus": in_milvus,
}
MILVUS = pytest.param("milvus", marks=pytest.mark.integration)


@pytest.fixture(scope="module")
def milvus() -> Iterator[None]:
    from tests.fakes.milvus import milvus_for_all  # noqa: PLC0415  (slow, and for integration alone)

    with milvus_for_all():
        yield


@pytest.fixture(params=[*(name for name in MEMORIES if name != "milvus"), MILVUS])
def memory(request: pytest.FixtureRequest) -> Iterator[Writable]:
    if request.param == "milvus":
        request.getfixturevalue("milvus")
    with MEMORIES[request.param]() as opened:
        yield opened


def nearest(
    memory: Memory, query: Embedding, *, most: int = 10, scope: Scope = ALL, collection: CollectionKey = BIRDS
) -> list[str]:
    (found,) = memory.view(collection).nearest([query], most=most, scope=scope)
    return [hit.exemplar.exemplar_id for hit in found.hits]


def answers(found: Found) -> list[tuple[str, str, float]]:
    return [(hit.exemplar.exemplar_id, hit.exemplar.label, round(hit.similarity, 6)) for hit in found.hits]


def test_the_nearest_comes_first(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("east", "wren", [EAST]))
    memory.remember(BIRDS, encoded("north", "robin", [NORTH]))

    (found,) = memory.view(BIRDS).nearest([NORTH], most=2, scope=ALL)

    assert [hit.exemplar.exemplar_id for hit in found.hits] == ["north", "east"]
    assert [hit.exemplar.label for hit in found.hits] == ["robin", "wren"]
    assert [hit.similarity for hit in found.hits] == pytest.approx([1, 0])


def test_no_more_than_asked_for_are_found(memory: Writable) -> None:
    for number in range(5):
        memory.remember(BIRDS, encoded(f"x{number}", "robin", [embedding(number, 1)]))

    assert nearest(memory, NORTH, most=2) == ["x0", "x1"]
    assert len(nearest(memory, NORTH, most=1_000_000)) == 5


def test_equally_near_ones_come_in_order_of_id(memory: Writable) -> None:
    for name in ("c", "a", "d", "b"):
        memory.remember(BIRDS, encoded(name, "robin", [NORTH_EAST]))

    assert nearest(memory, NORTH, most=3) == ["a", "b", "c"]


def test_each_query_is_answered_in_its_place(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("east", "wren", [EAST]))
    memory.remember(BIRDS, encoded("north", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("name", "robin", [embedding(1, 0, 0, space="name")]))

    queries = [EAST, embedding(0, 1, 0, space="name"), NORTH]
    found = memory.view(BIRDS).nearest(queries, most=1, scope=ALL)

    assert [each.hits[0].exemplar.exemplar_id for each in found] == ["east", "name", "north"]


def test_no_query_finds_nothing(memory: Writable) -> None:
    assert list(memory.view(BIRDS).nearest([], most=1, scope=ALL)) == []


def test_a_collection_never_written_to_is_empty(memory: Writable) -> None:
    view = memory.view(SEA)

    assert nearest(memory, NORTH, collection=SEA) == []
    assert list(view.exemplars()) == []
    assert list(view.encoded()) == []
    assert dict(view.labels()) == {}


def test_collections_do_not_see_each_other(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("north", "robin", [NORTH]))
    memory.remember(CollectionKey("other", "birds"), encoded("north", "spy", [NORTH]))

    assert dict(memory.view(BIRDS).labels()) == {"robin": 1}
    assert nearest(memory, NORTH, collection=SEA) == []


def test_exemplars_with_their_embeddings_go_on_after_an_id(memory: Writable) -> None:
    for name in ("c", "a", "b"):
        memory.remember(BIRDS, encoded(name, "robin", [NORTH]))

    found = [each.exemplar.exemplar_id for each in memory.view(BIRDS).encoded(after="a")]

    assert found == ["b", "c"]


def test_exemplars_are_counted_by_the_spaces_that_they_have_embeddings_in(memory: Writable) -> None:
    other = embedding(1, 0, 0, space="other")
    memory.remember(BIRDS, encoded("one", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("both", "robin", [NORTH, other]))
    memory.remember(BIRDS, encoded("both too", "wren", [EAST, other]))
    memory.remember(BIRDS, encoded("none", "wren", []))
    memory.remember(BIRDS, encoded("gone", "wren", [EAST, other]))
    memory.forget(BIRDS, "gone")

    assert dict(memory.view(BIRDS).spaces()) == {
        frozenset(): 1,
        frozenset({"visual"}): 1,
        frozenset({"visual", "other"}): 2,
    }
    assert dict(memory.view(SEA).spaces()) == {}


def test_a_forgotten_exemplar_is_gone(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("b", "wren", [EAST]))
    memory.forget(BIRDS, "a")
    memory.forget(BIRDS, "never there")

    assert nearest(memory, NORTH) == ["b"]
    assert dict(memory.view(BIRDS).labels()) == {"wren": 1}
    assert [each.exemplar_id for each in memory.view(BIRDS).exemplars()] == ["b"]


def test_remembering_an_id_again_replaces_it(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH], {"place": "wood"}))
    memory.remember(BIRDS, encoded("a", "wren", [EAST]))

    (found,) = memory.view(BIRDS).nearest([EAST], most=9, scope=ALL)

    assert answers(found) == [("a", "wren", 1.0)]
    assert dict(memory.view(BIRDS).labels()) == {"wren": 1}


def test_what_was_forgotten_can_be_remembered_again(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    memory.forget(BIRDS, "a")
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))

    assert nearest(memory, NORTH) == ["a"]


def test_only_vectors_of_the_same_space_meet(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("image", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("name", "robin", [embedding(0, 1, space="name")]))

    assert nearest(memory, NORTH) == ["image"]
    assert nearest(memory, embedding(0, 1, space="name")) == ["name"]
    assert nearest(memory, embedding(0, 1, space="sound")) == []


def test_vectors_of_another_version_of_the_encoder_are_left_out_and_counted(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("old", "robin", [embedding(0, 1, encoder=OTHER_DIGEST)]))
    memory.remember(BIRDS, encoded("older", "robin", [embedding(0, 1, encoder=OTHER_DIGEST)]))
    memory.forget(BIRDS, "older")
    memory.remember(BIRDS, encoded("new", "wren", [EAST]))

    (found,) = memory.view(BIRDS).nearest([NORTH], most=9, scope=ALL)

    assert [hit.exemplar.exemplar_id for hit in found.hits] == ["new"]
    assert found.left_out == 1


def test_another_model_that_shares_the_space_is_met_and_an_exemplar_counts_once(memory: Writable) -> None:
    both = [embedding(0, 1), embedding(1, 1, encoder="bridge@aa")]
    memory.remember(BIRDS, encoded("both", "robin", both))
    memory.remember(BIRDS, encoded("east", "wren", [EAST]))

    (found,) = memory.view(BIRDS).nearest([NORTH], most=2, scope=ALL)

    assert answers(found) == [("both", "robin", 1.0), ("east", "wren", 0.0)]
    assert found.left_out == 0


def test_a_vector_of_another_length_is_left_out(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("long", "robin", [embedding(0, 1, 0)]))

    (found,) = memory.view(BIRDS).nearest([NORTH], most=9, scope=ALL)

    assert (found.hits, found.left_out) == ((), 1)


def test_excluded_exemplars_and_those_that_fail_a_condition_do_not_answer(memory: Writable) -> None:
    for number in range(50):
        name = f"x{number:02}"
        place = "wood" if number % 10 == 9 else "sea"
        memory.remember(BIRDS, encoded(name, "robin", [embedding(number, 10)], {"place": place}))
    scope = Scope((Condition("place", one_of=("wood",)),), frozenset({"x19"}))

    assert nearest(memory, NORTH, most=2, scope=scope) == ["x09", "x29"]
    assert nearest(memory, NORTH, most=9, scope=scope) == ["x09", "x29", "x39", "x49"]


def test_comparing_all_finds_what_is_nearest_within_the_same_bounds(memory: Writable) -> None:
    for number in range(30):
        memory.remember(
            BIRDS, encoded(f"x{number:02}", "robin", [embedding(number, 10)], {"n": float(number % 3)})
        )
    memory.forget(BIRDS, "x03")
    scope = Scope((Condition("n", one_of=(0.0,)),), frozenset({"x06"}))
    view = memory.view(BIRDS)

    compared = view.compare_all([NORTH, EAST], most=3, scope=scope)

    assert [[hit.exemplar.exemplar_id for hit in found.hits] for found in compared] == [
        ["x00", "x09", "x12"],
        ["x27", "x24", "x21"],
    ]
    assert list(compared) == list(view.nearest([NORTH, EAST], most=3, scope=scope))


def test_exemplars_come_in_order_of_id_and_from_where_one_asks(memory: Writable) -> None:
    for name in ("b", "d", "a", "c"):
        memory.remember(BIRDS, encoded(name, "robin", [NORTH]))
    memory.forget(BIRDS, "b")
    view = memory.view(BIRDS)

    assert [each.exemplar_id for each in view.exemplars()] == ["a", "c", "d"]
    assert [each.exemplar_id for each in view.exemplars(after="a")] == ["c", "d"]
    assert [each.exemplar_id for each in view.exemplars(after="b")] == ["c", "d"]


def test_an_export_gives_back_what_was_remembered(memory: Writable) -> None:
    taught = encoded("a", "robin", [NORTH, embedding(3, 4, 0, space="name")], {"place": "wood"})
    memory.remember(BIRDS, encoded("0", "wren", [EAST]))
    memory.remember(BIRDS, taught)

    _, given_back = memory.view(BIRDS).encoded()

    assert given_back.exemplar == taught.exemplar
    assert [(each.encoder, each.space) for each in given_back.embeddings] == [
        (ENCODER, "visual"),
        (ENCODER, "name"),
    ]
    for stored, original in zip(given_back.embeddings, taught.embeddings, strict=True):
        np.testing.assert_array_equal(stored.vector, original.vector)


def test_exemplars_are_found_by_id_with_their_embeddings(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("b", "wren", [EAST]))
    memory.remember(BIRDS, encoded("gone", "wren", [EAST]))
    memory.remember(BIRDS, encoded("a", "tit", [EAST]))
    memory.forget(BIRDS, "gone")

    found = memory.view(BIRDS).find({"a", "gone", "never there"})

    assert {name: each.exemplar.label for name, each in found.items()} == {"a": "tit"}
    np.testing.assert_array_equal(found["a"].embeddings[0].vector, EAST.vector)


def test_a_view_never_changes(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    view = memory.view(BIRDS)
    version = view.version
    memory.remember(BIRDS, encoded("b", "wren", [NORTH]))
    memory.remember(BIRDS, encoded("a", "tit", [EAST]))
    memory.forget(BIRDS, "a")

    (found,) = view.nearest([NORTH], most=9, scope=ALL)

    assert answers(found) == [("a", "robin", 1.0)]
    assert [each.exemplar.label for each in view.encoded()] == ["robin"]
    assert dict(view.labels()) == {"robin": 1}
    assert view.version == version != memory.view(BIRDS).version


def test_a_version_that_was_reached_is_no_obstacle(memory: Writable) -> None:
    version = memory.remember(BIRDS, encoded("a", "robin", [NORTH]))

    assert [each.exemplar_id for each in memory.view(BIRDS, at_least=version).exemplars()] == ["a"]


def test_a_version_that_is_not_reached_is_unavailable(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    other = type(memory)()
    other.remember(BIRDS, encoded("a", "robin", [NORTH]))
    newer = other.remember(BIRDS, encoded("b", "robin", [NORTH]))

    with pytest.raises((Unavailable, DeadlineExceeded)) as refused:
        memory.view(BIRDS, at_least=newer)

    assert refused.value.reason == "MEMORY_BEHIND"


def test_garbage_is_no_version(memory: Writable) -> None:
    with pytest.raises(InvalidInput) as refused:
        memory.view(BIRDS, at_least="garbage")

    assert refused.value.field == "min_memory_version"


def test_readers_never_see_half_a_write(memory: Writable) -> None:
    """Each write moves one exemplar of the pair; a view holds exactly both, and each label once."""
    names = ("a", "b")
    for name in names:
        memory.remember(BIRDS, encoded(name, "0", [NORTH]))
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(1, 100):
                for name in names:
                    memory.remember(BIRDS, encoded(name, str(number), [embedding(number, 1)]))
        finally:
            done.set()

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        # waiting, however shortly, lets the writer have the interpreter: it loses every race for it else
        while not done.wait(timeout=1e-4):
            view = memory.view(BIRDS)
            (found,) = view.nearest([NORTH], most=9, scope=ALL)
            assert sorted(hit.exemplar.exemplar_id for hit in found.hits) == ["a", "b"]
            for hit in found.hits:
                expected = embedding(int(hit.exemplar.label), 1).vector[1]
                assert hit.similarity == pytest.approx(float(expected), abs=1e-6)
            assert sum(view.labels().values()) == 2
        written.result()


def test_a_labels_descriptions_are_the_texts_of_its_attribute_exemplars_in_order_of_id(
    memory: Writable,
) -> None:
    memory.remember(BIRDS, encoded("photo", "robin", [NORTH]))
    memory.remember(BIRDS, described("c", "robin", "sings early"))
    memory.remember(BIRDS, described("a", "robin", "red breast"))
    memory.remember(BIRDS, described("b", "robin", 'hops, "bobs"\n\\'))
    memory.remember(BIRDS, described("w", 'the "wren", {[\n]}', "tail up"))
    memory.remember(SEA, described("s", "robin", "no bird"))

    view = memory.view(BIRDS)

    assert view.described({"robin"}, most=2, scope=ALL) == {"robin": ("red breast", 'hops, "bobs"\n\\')}
    assert view.described({'the "wren", {[\n]}', "tit"}, most=3, scope=ALL) == {
        'the "wren", {[\n]}': ("tail up",)
    }
    assert view.described((), most=3, scope=ALL) == {}
    assert memory.view(CollectionKey("x", "y")).described({"robin"}, most=3, scope=ALL) == {}


def test_a_description_that_is_forgotten_replaced_or_not_admitted_is_not_given(memory: Writable) -> None:
    memory.remember(BIRDS, described("a", "robin", "old"))
    before = memory.view(BIRDS)
    memory.remember(BIRDS, described("a", "robin", "new", {"source": "people"}))
    memory.remember(BIRDS, described("b", "robin", "gone"))
    memory.remember(BIRDS, described("c", "robin", "third"))
    memory.remember(BIRDS, described("d", "robin", "now a wren's"))
    memory.forget(BIRDS, "b")
    memory.remember(BIRDS, described("d", "wren", "now a wren's"))

    after = memory.view(BIRDS)

    def asked(scope: Scope) -> Mapping[str, tuple[str, ...]]:
        return after.described({"robin"}, most=9, scope=scope)

    assert before.described({"robin"}, most=9, scope=ALL) == {"robin": ("old",)}
    assert asked(ALL) == {"robin": ("new", "third")}
    assert asked(Scope(excluded=frozenset("a"))) == {"robin": ("third",)}
    assert asked(Scope((Condition("source", one_of=("people",)),))) == {"robin": ("new",)}
    assert after.described({"wren"}, most=9, scope=ALL) == {"wren": ("now a wren's",)}


def test_a_description_adds_no_space_and_no_vector(memory: Writable) -> None:
    memory.remember(BIRDS, described("a", "robin", "red"))

    view = memory.view(BIRDS)

    assert dict(view.spaces()) == {frozenset({"name"}): 1}
    assert [[each.space for each in found.embeddings] for found in view.encoded()] == [["name"]]


LABELS = ("robin", "wren", "tit")
VECTORS = st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(1, 3))
WRITES = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(LABELS),
        st.sampled_from([ENCODER, OTHER_DIGEST, "bridge@aa"]),
        st.none() | VECTORS,
    ),
    max_size=60,
)


def drawn(name: str, label: str, vector: Embedding) -> EncodedExemplar:
    """Half of them are pictures, half descriptions."""
    made = encoded(name, label, [vector])
    if name < "d":
        return made
    text = f"{name} of {vector.vector.tolist()}"
    return replace(made, exemplar=replace(made.exemplar, kind=ExemplarKind.ATTRIBUTE, text=text))


@given(WRITES, VECTORS, st.integers(1, 9), st.frozensets(st.sampled_from("abcdefgh"), max_size=3))
def test_every_sequence_of_writes_agrees_with_the_plainest_arithmetic(
    writes: list[tuple[str, str, str, tuple[int, int, int] | None]],
    query: tuple[int, int, int],
    most: int,
    excluded: frozenset[str],
) -> None:
    oracle = InMemoryMemory()
    memories: tuple[Writable, ...] = (oracle, WritableSegments(turn=1_000), WritableSegments(turn=5))
    for name, label, encoder, vector in writes:
        for memory in memories:
            if vector is None:
                memory.forget(BIRDS, name)
            else:
                memory.remember(BIRDS, drawn(name, label, embedding(*vector, encoder=encoder)))
    expected, *found = (
        memory.view(BIRDS).nearest([embedding(*query)], most=most, scope=Scope(excluded=excluded))
        for memory in memories
    )

    texts = oracle.view(BIRDS).described(LABELS, most=2, scope=ALL)
    assert all(each == expected for each in found)
    for memory in memories:
        assert memory.view(BIRDS).labels() == oracle.view(BIRDS).labels()
        assert memory.view(BIRDS).described(LABELS, most=2, scope=ALL) == texts
        assert list(memory.view(BIRDS).exemplars()) == list(oracle.view(BIRDS).exemplars())
