from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kernel.errors import DeadlineExceeded
from services.kernel.vocabulary import Embedding, EncodedExemplar
from services.retrieval.adapters.memory import search
from services.retrieval.adapters.memory.block import SLOTS, Block
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.view import SegmentedView
from services.retrieval.domain import Scope
from services.runtime import deadline
from tests.fakes.exemplars import BIRDS, ENCODER, SEA, embedding, encoded
from tests.fakes.memory import InMemoryMemory

ALL = Scope()
NORTH = embedding(0, 1)


def in_memory() -> SegmentedIndex:
    """Nothing is sealed here, so nothing is written."""
    return SegmentedIndex(Path("nowhere"))


def vectors(count: int, dim: int = 8, *, seed: int = 0) -> list[Embedding]:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [Embedding(row, ENCODER, "visual") for row in rows]


def change(number: int, vector: Embedding) -> Change:
    name = f"x{number:05}"
    return Change(BIRDS, name, encoded(name, f"label {number % 7}", [vector]))


def filled(count: int) -> SegmentedIndex:
    index = in_memory()
    index.apply([change(number, vector) for number, vector in enumerate(vectors(count))], {0: count})
    return index


def ids(view: SegmentedView, query: Embedding, *, most: int = 10) -> list[str]:
    (found,) = view.nearest([query], most=most, scope=ALL)
    return [hit.exemplar.exemplar_id for hit in found.hits]


def test_a_batch_becomes_visible_all_at_once_with_its_version() -> None:
    index = in_memory()
    before = index.view(BIRDS)
    changes = [change(number, vector) for number, vector in enumerate(vectors(3))]

    index.apply([*changes, Change(SEA, "s", encoded("s", "seal", [NORTH]))], {0: 3, 2: 1})

    assert before.version == "v1"
    assert index.view(BIRDS).version == index.view(SEA).version == "v1.0-3.2-1"
    assert len(list(index.view(BIRDS).exemplars())) == 3


def test_a_batch_that_changes_nothing_still_moves_the_version() -> None:
    index = filled(1)

    index.apply([], {0: 9})

    assert index.view(BIRDS).version == "v1.0-9"
    assert len(list(index.view(BIRDS).exemplars())) == 1


def test_search_and_order_go_on_across_blocks() -> None:
    count = 2 * SLOTS + 10
    index, oracle, stored = filled(count), InMemoryMemory(), vectors(count)
    oracle.collections[BIRDS] = {
        each.exemplar_id: _encoded(each) for each in map(change, range(count), stored)
    }
    query = vectors(1, seed=1)[0]

    (found,) = index.view(BIRDS).nearest([query], most=50, scope=ALL)

    assert [found] == oracle.view(BIRDS).nearest([query], most=50, scope=ALL)
    assert [each.exemplar_id for each in index.view(BIRDS).exemplars()] == [f"x{i:05}" for i in range(count)]


def _encoded(change: Change) -> EncodedExemplar:
    assert change.encoded is not None
    return change.encoded


def test_blocks_whose_half_is_dead_are_dropped_and_nothing_is_lost() -> None:
    count = 2 * SLOTS
    index = filled(count)
    query = vectors(1, seed=1)[0]
    kept = [number for number in range(count) if number % 4 == 0]
    before = index.view(BIRDS)
    expected_before = ids(before, query)

    for number in sorted(set(range(count)) - set(kept)):
        index.apply([Change(BIRDS, f"x{number:05}", None)], {0: count})

    view = index.view(BIRDS)
    assert [each.exemplar_id for each in view.exemplars()] == [f"x{number:05}" for number in kept]
    assert sum(len(block.alive) for block in view.holders) <= 2 * len(kept)
    nearest = ids(view, query, most=count)
    assert [name for name in ids(before, query, most=count) if name in set(nearest)] == nearest
    assert ids(before, query) == expected_before


def test_rewriting_one_exemplar_again_and_again_does_not_grow_the_memory() -> None:
    index = in_memory()
    for number in range(2_000):
        index.apply([Change(BIRDS, "x", encoded("x", str(number), [NORTH]))], {0: number})

    view = index.view(BIRDS)
    assert sum(len(block.alive) for block in view.holders) < 200
    assert dict(view.labels()) == {"1999": 1}


def test_writing_never_copies_what_was_written_before() -> None:
    """A full block stays the same object through all later writes: appending costs what is appended."""
    index = filled(SLOTS)
    (first,) = index.view(BIRDS).holders

    index.apply([change(SLOTS + i, vector) for i, vector in enumerate(vectors(SLOTS, seed=2))], {0: 1})

    assert index.view(BIRDS).holders[0] is first


def test_the_answer_does_not_depend_on_the_order_of_teaching_or_on_the_company() -> None:
    stored, queries = vectors(300, dim=37), vectors(9, dim=37, seed=5)
    changes = [change(number, vector) for number, vector in enumerate(stored)]
    forward, backward = in_memory(), in_memory()
    forward.apply(changes, {})
    backward.apply(changes[::-1], {})

    together = forward.view(BIRDS).nearest(queries, most=20, scope=ALL)
    alone = [backward.view(BIRDS).nearest([query], most=20, scope=ALL)[0] for query in queries]

    assert together == alone


def test_neighbours_that_single_precision_cannot_tell_apart_are_told_apart() -> None:
    centre, noise = vectors(1, dim=37)[0].vector, vectors(500, dim=37, seed=8)
    crowd = [Embedding(centre + np.float32(2e-7) * each.vector, ENCODER, "visual") for each in noise]
    changes = [change(number, vector) for number, vector in enumerate(crowd)]
    index, oracle = in_memory(), InMemoryMemory()
    index.apply(changes, {})
    oracle.collections[BIRDS] = {each.exemplar_id: _encoded(each) for each in changes}
    queries = vectors(5, dim=37, seed=9)

    found = index.view(BIRDS).nearest(queries, most=20, scope=ALL)

    assert found == oracle.view(BIRDS).nearest(queries, most=20, scope=ALL)


def test_many_queries_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    index, queries = filled(300), vectors(20, seed=3)
    whole = index.view(BIRDS).nearest(queries, most=5, scope=ALL)
    monkeypatch.setattr(search, "_MOST_CELLS", 1_000)

    assert index.view(BIRDS).nearest(queries, most=5, scope=ALL) == whole


def test_a_search_ends_when_the_time_is_up() -> None:
    index = filled(10)

    with deadline.within(0.0), pytest.raises(DeadlineExceeded):
        index.view(BIRDS).nearest([vectors(1)[0]], most=5, scope=ALL)
    with deadline.within(0.0), pytest.raises(DeadlineExceeded):
        list(index.view(BIRDS).exemplars())


def test_items_are_counted_by_space() -> None:
    index = in_memory()
    both = encoded("a", "robin", [NORTH, embedding(1, 0, space="name")])
    index.apply([Change(BIRDS, "a", both), Change(SEA, "b", encoded("b", "seal", [NORTH]))], {})
    assert index.items() == {"visual": 2, "name": 1}

    index.apply([Change(BIRDS, "a", encoded("a", "robin", [NORTH])), Change(SEA, "b", None)], {})

    assert index.items() == {"visual": 1, "name": 0}


def test_what_is_remembered_is_a_copy() -> None:
    index = in_memory()
    vector = np.array([0, 1], np.float32)
    index.apply([Change(BIRDS, "a", encoded("a", "robin", [Embedding(vector, ENCODER, "visual")]))], {})

    vector[:] = [1, 0]

    (found,) = index.view(BIRDS).nearest([NORTH], most=1, scope=ALL)
    assert found.hits[0].similarity == 1


def test_searches_beside_a_busy_writer_are_always_of_one_moment() -> None:
    """The writer keeps 100 exemplars, each batch replacing ten and moving the version by one."""
    index = in_memory()
    stored = vectors(100)
    index.apply([change(number, vector) for number, vector in enumerate(stored)], {0: 0})
    done = threading.Event()
    failures: list[str] = []

    def read() -> None:
        while not done.is_set():
            view = index.view(BIRDS)
            (found,) = view.nearest([stored[0]], most=1_000, scope=ALL)
            names = [hit.exemplar.exemplar_id for hit in found.hits]
            if len(names) != 100 or len(set(names)) != 100 or sum(view.labels().values()) != 100:
                failures.append(f"{len(names)} of {view.version}")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for batch in range(150):
        some = [(batch * 10 + i) % 100 for i in range(10)]
        index.apply([change(number, stored[number]) for number in some], {0: batch})
    done.set()
    for reader in readers:
        reader.join()

    assert failures == []


_OPERATIONS = st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=400)


@given(_OPERATIONS)
@settings(max_examples=20)
def test_long_histories_agree_with_a_dictionary(operations: Sequence[tuple[int, bool]]) -> None:
    index, expected, stored = in_memory(), dict[str, Embedding](), vectors(201)
    for number, taught in operations:
        name = f"x{number:05}"
        if taught:
            expected[name] = stored[number]
            index.apply([change(number, stored[number])], {})
        else:
            expected.pop(name, None)
            index.apply([Change(BIRDS, name, None)], {})

    view = index.view(BIRDS)
    assert [each.exemplar_id for each in view.exemplars()] == sorted(expected)
    assert sorted(ids(view, stored[0], most=1_000)) == sorted(expected)


def test_a_block_says_when_it_is_full() -> None:
    block = Block()
    for number in range(SLOTS):
        assert not block.is_full
        assert block.append(encoded(str(number), "robin", [])) == number

    assert block.is_full
