"""What the writer leaves behind when it ends anywhere, and what views make of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kernel.errors import Unavailable
from services.kernel.vocabulary import (
    AttributeValue,
    Box,
    CollectionKey,
    Condition,
    EncodedExemplar,
    Mask,
    Region,
    RegionOrigin,
)
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.milvus.connection import Connection
from services.retrieval.adapters.milvus.nearest import Tables
from services.retrieval.adapters.milvus.schema import INDEXES, Layout
from services.retrieval.adapters.milvus.state import State, StateTable
from services.retrieval.adapters.milvus.view import MilvusView
from services.retrieval.adapters.milvus.writer import MilvusWriter
from services.retrieval.domain import Scope
from tests.fakes.exemplars import BIRDS, ENCODER, OTHER_DIGEST, embedding, encoded
from tests.fakes.memory import InMemoryMemory
from tests.fakes.milvus import WritableMilvus, milvus_for_all

pytestmark = pytest.mark.integration

NORTH, EAST = embedding(0, 1), embedding(1, 0)
ALL = Scope()


@pytest.fixture(scope="module", autouse=True)
def milvus() -> Iterator[None]:
    with milvus_for_all():
        yield


@pytest.fixture
def memory() -> Iterator[WritableMilvus]:
    memory = WritableMilvus()
    yield memory
    memory.close()


class Dying:
    """A fence that lets so many writes pass."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unavailable("killed")


def change(offset: int, name: str, label: str = "", *vector: float) -> Change:
    exemplar = encoded(name, label, [embedding(*vector)]) if vector else None
    return Change(BIRDS, name, exemplar, offset)


def labels(memory: WritableMilvus) -> dict[str, str]:
    return {each.exemplar_id: each.label for each in memory.view(BIRDS).exemplars()}


def test_a_writer_that_dies_at_any_write_leaves_nothing_half_done(memory: WritableMilvus) -> None:
    memory.writer.apply(
        [change(0, "a", "old", 0, 1), change(1, "b", "old", 1, 0), change(2, "c", "old", 1, 1)], {0: 3}
    )
    batch = [change(3, "a", "new", 1, 0), change(4, "b"), change(5, "d", "new", 0, 1)]
    before, after = {"a": "old", "b": "old", "c": "old"}, {"a": "new", "c": "old", "d": "new"}
    view = memory.view(BIRDS)
    states = StateTable(memory.connection, memory.layout)
    died = 0
    while labels(memory) == before:
        fence = Dying(writes=1_000)
        writer = MilvusWriter(memory.connection, memory.layout, fence=fence, keep_s=3_600.0)
        writer.begin(states.read() or State())
        fence.left = died
        died += 1
        try:
            writer.apply(batch, {0: 6})
        except Unavailable:
            assert labels(memory) == before

    assert died > 5
    assert labels(memory) == after
    (found,) = view.nearest([NORTH], most=9, scope=ALL)
    assert [hit.exemplar.label for hit in found.hits] == ["old"] * 3


def test_a_batch_that_was_written_and_whose_answer_was_lost_is_written_again(memory: WritableMilvus) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    batch = [change(7, "a", "wren", 1, 0), change(8, "b", "tit", 0, 1)]
    moment = memory.writer.state
    memory.writer.apply(batch, {0: 9})
    memory.writer._state = moment
    memory.writer.apply(batch, {0: 9})

    assert labels(memory) == {"a": "wren", "b": "tit"}


def test_the_dead_are_deleted_when_no_view_can_see_them_any_more(memory: WritableMilvus) -> None:
    now = [0.0]
    writer = MilvusWriter(
        memory.connection, memory.layout, fence=lambda: None, keep_s=100.0, clock=lambda: now[0]
    )
    writer.begin(memory.writer.state)
    writer.apply([change(0, "a", "old", 0, 1)], {0: 1})
    now[0] = 50.0
    writer.apply([change(1, "a", "new", 0, 1)], {0: 2})
    rows = [memory.layout.exemplars, memory.layout.vectors(writer.state.tables[0])]

    heir = MilvusWriter(
        memory.connection, memory.layout, fence=lambda: None, keep_s=100.0, clock=lambda: now[0]
    )
    heir.begin(writer.state)
    heir.collect()  # knows not since when they are dead
    now[0] = 149.0
    writer.collect()
    kept = [memory.connection.count(table, "born >= 0") for table in rows]
    now[0] = 151.0
    writer.collect()

    assert kept == [2, 2]
    assert [memory.connection.count(table, "born >= 0") for table in rows] == [1, 1]
    assert labels(memory) == {"a": "new"}


def test_a_view_that_is_too_old_says_so_and_never_answers(memory: WritableMilvus) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    now = [0.0]
    state = replace(memory.writer.state, keep_s=100.0)
    view = MilvusView(Tables(memory.connection, memory.layout), BIRDS, state, 0.0, lambda: now[0])
    assert len(list(view.exemplars())) == 1
    now[0] = 81.0

    for reading in (
        lambda: view.nearest([NORTH], most=1, scope=ALL),
        lambda: list(view.exemplars()),
        lambda: list(view.encoded()),
        lambda: view.find({"a"}),
    ):
        with pytest.raises(Unavailable) as refused:
            reading()
        assert refused.value.reason == "VIEW_EXPIRED"


def test_a_record_too_long_for_one_text_comes_back_whole(memory: WritableMilvus) -> None:
    counts = tuple(int(run) for run in np.random.default_rng(1).integers(1, 10**6, 100_000))
    region = Region("r", Box(0, 0, 9, 9), RegionOrigin.CALLER, Mask(9, 9, counts))
    short = encoded("a", "robin", [NORTH], {"place": "wood"})
    long = EncodedExemplar(replace(short.exemplar, region=region), short.embeddings)
    memory.remember(BIRDS, long)

    (found,) = memory.view(BIRDS).encoded()
    assert found.exemplar == long.exemplar


def test_many_that_are_equally_near_come_in_order_of_id(memory: WritableMilvus) -> None:
    """More than a search asks for beyond what is wanted; the greatest ids were taught first."""
    names = [f"x{number:03}" for number in range(100)]
    memory.writer.apply([change(0, name, "robin", 0, 1) for name in reversed(names)], {0: 1})

    (found,) = memory.view(BIRDS).nearest([NORTH], most=3, scope=ALL)

    assert [hit.exemplar.exemplar_id for hit in found.hits] == names[:3]


NASTY = ['"', '" or born > 0 or "" == "', "\\", "{x}", "%", "\u2028", "x" * 500, "1", "true", "ä"]


@pytest.mark.parametrize("text", NASTY)
def test_nothing_that_a_caller_writes_is_read_as_an_expression(memory: WritableMilvus, text: str) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH], {text: text}))
    memory.remember(BIRDS, encoded("b", "wren", [EAST], {"place": "wood"}))
    memory.remember(BIRDS, encoded("c", "tit", [EAST], {text: 1.0}))

    def admitted(*conditions: Condition, excluded: frozenset[str] = frozenset()) -> list[str]:
        (found,) = memory.view(BIRDS).nearest([NORTH], most=9, scope=Scope(conditions, excluded))
        return [hit.exemplar.exemplar_id for hit in found.hits]

    assert admitted(Condition(text, one_of=(text,))) == ["a"]
    assert admitted(Condition(text, one_of=(1.0, text))) == ["a", "c"]
    assert admitted(Condition(text, one_of=(True,))) == []
    assert admitted(Condition(text, least=0.5)) == admitted(Condition(text)) == ["c"]
    assert admitted(excluded=frozenset({text, "a"})) == ["b", "c"]


def test_tenants_are_told_apart_by_the_partition_key(memory: WritableMilvus) -> None:
    for tenant in ("acme", "acme2", "other"):
        memory.remember(CollectionKey(tenant, "birds"), encoded("a", tenant, [NORTH]))
    described = memory.connection._connected().describe_collection(memory.layout.exemplars)
    (key,) = (field["name"] for field in described["fields"] if field.get("is_partition_key"))

    assert key == "owner"
    assert described["num_partitions"] >= memory.layout.partitions
    assert dict(memory.view(BIRDS).labels()) == {"acme": 1}


@pytest.mark.parametrize("index", sorted(INDEXES.keys() - {"IVF_RABITQ", "DISKANN"}))
def test_every_index_that_milvus_lite_has_finds_the_nearest(index: str) -> None:
    connection = Connection(WritableMilvus.address)
    layout = Layout(prefix=f"with_{index}", index=index, partitions=2)
    writer = MilvusWriter(connection, layout, fence=lambda: None, keep_s=60.0)
    writer.begin(State())
    vectors = np.random.default_rng(0).normal(size=(300, 16))
    writer.apply([change(i, f"x{i}", "robin", *vector) for i, vector in enumerate(vectors)], {0: 300})
    view = MilvusView(Tables(connection, layout), BIRDS, writer.state, 0.0, lambda: 0.0)

    queries = [embedding(*vector) for vector in vectors[:20]]
    found = view.nearest(queries, most=5, scope=ALL)
    assert [each.hits[0].exemplar.exemplar_id for each in found] == [f"x{i}" for i in range(20)]
    assert found == view.compare_all(queries, most=5, scope=ALL) or index != "FLAT"
    writer.drop_all()
    connection.close()


NUMBERS = itertools.count()
VALUES: st.SearchStrategy[AttributeValue] = st.sampled_from(["wood", "sea", 1.0, 2.5, True, False])
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["a", "a-b", "a.b", "ab", "A", "0"]),
        st.sampled_from(["robin", "wren"]),
        st.sampled_from([ENCODER, OTHER_DIGEST, "bridge@aa"]),
        st.none() | st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(1, 3)),
        st.dictionaries(st.sampled_from(["place", "size"]), VALUES, max_size=2),
    ),
    max_size=12,
)
CONDITIONS = st.builds(Condition, st.sampled_from(["place", "size"]), st.tuples(VALUES, VALUES)) | st.builds(
    Condition,
    st.just("size"),
    least=st.none() | st.sampled_from([0.5, 1.0, 2.0]),
    most=st.none() | st.sampled_from([1.0, 2.0, 3.0]),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    WRITES, st.lists(CONDITIONS, max_size=2), st.frozensets(st.sampled_from(["a", "ab"])), st.integers(1, 5)
)
def test_every_sequence_of_writes_agrees_with_the_plainest_arithmetic(
    memory: WritableMilvus,
    writes: list[tuple[str, str, str, tuple[int, int, int] | None, dict[str, AttributeValue]]],
    conditions: list[Condition],
    excluded: frozenset[str],
    most: int,
) -> None:
    collection = CollectionKey("acme", f"birds{next(NUMBERS)}")
    oracle = InMemoryMemory()
    for name, label, encoder, vector, values in writes:
        for each in (oracle, memory):
            if vector is None:
                each.forget(collection, name)
            else:
                each.remember(collection, encoded(name, label, [embedding(*vector, encoder=encoder)], values))
    scope = Scope(tuple(conditions), excluded)
    expected, found = oracle.view(collection), memory.view(collection)
    queries = [embedding(1, 2, 3), embedding(-1, 0, 1)]

    assert found.nearest(queries, most=most, scope=scope) == expected.nearest(queries, most=most, scope=scope)
    assert found.compare_all(queries, most=most, scope=scope) == expected.nearest(
        queries, most=most, scope=scope
    )
    assert list(found.exemplars()) == list(expected.exemplars())
    assert list(found.exemplars(after="a")) == list(expected.exemplars(after="a"))
    assert found.labels() == expected.labels()
