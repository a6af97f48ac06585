"""What a view of a memory must hold: its moment, its version, descriptions, any sequence of writes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import DeadlineExceeded, InvalidInput, Unavailable
from services.kernel.vocabulary import CollectionKey, Condition, Embedding, EncodedExemplar, ExemplarKind
from services.retrieval.domain import Scope
from tests.contract.memories import ALL, EAST, NORTH, Writable, WritableSegments, answers
from tests.fakes.exemplars import BIRDS, ENCODER, OTHER_DIGEST, SEA, described, embedding, encoded
from tests.fakes.memory import InMemoryMemory


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
