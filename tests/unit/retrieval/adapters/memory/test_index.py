from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.kernel.errors import Corrupt, Unavailable
from services.kernel.vocabulary import Embedding
from services.retrieval.adapters.memory import files
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.parameters import (
    BufferParameters,
    Parameters,
)
from services.retrieval.adapters.memory.state import SegmentState, State
from tests.fakes.exemplars import BIRDS, SEA, embedding, encoded
from tests.unit.retrieval.adapters.memory.indexes import ALL, EAST, NORTH, SMALL, change, ids, settle


def taught(name: str, vector: Embedding = NORTH, label: str = "robin") -> Change:
    return change(name, encoded(name, label, [vector]))


def test_a_state_is_of_the_moment_at_which_it_began_whatever_is_written_meanwhile(folder: Path) -> None:
    index = SegmentedIndex(folder)
    index.apply([taught("a"), taught("b")], {0: 2})
    state = index.flush()
    index.apply([change("a", None), taught("c")], {0: 4})
    later = index.flush()

    for each, expected in ((state, ["a", "b"]), (later, ["b", "c"])):
        other = SegmentedIndex(folder)
        other.restore(each)
        assert ids(other.view(BIRDS)) == expected
        assert other.view(BIRDS).version == f"v1.0-{2 * len(expected) if each is later else 2}"


def test_what_dies_while_it_is_written_is_dead_in_the_segment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halfway through writing, one exemplar is forgotten and another replaced."""
    index = SegmentedIndex(folder)
    index.apply([taught("a"), taught("b"), taught("c")], {0: 3})
    meanwhile = [change("a", None), taught("b", EAST, "wren")]
    write = files.DigestedFile.write

    def slow_write(file: files.DigestedFile, data: bytes) -> None:
        if meanwhile:
            index.apply([meanwhile.pop()], {0: 5})
        write(file, data)

    monkeypatch.setattr(files.DigestedFile, "write", slow_write)
    state = index.flush()

    assert ids(index.view(BIRDS)) == ["b", "c"]
    assert dict(index.view(BIRDS).labels()) == {"wren": 1, "robin": 1}
    other = SegmentedIndex(folder)
    other.restore(state)
    assert ids(other.view(BIRDS)) == ["a", "b", "c"]


def test_a_view_sees_nothing_of_sealing_and_merging(folder: Path) -> None:
    index = SegmentedIndex(folder, SMALL)
    for number in range(5):
        index.apply([taught(f"x{number}", embedding(number, 1))], {0: number})
    before = index.view(BIRDS)
    expected = before.nearest([NORTH], most=9, scope=ALL)
    index.flush()
    index.apply([change("x0", None), *(taught(f"y{number}") for number in range(9))], {0: 20})
    settle(index)
    index.flush()
    settle(index)

    assert before.nearest([NORTH], most=9, scope=ALL) == expected
    assert ids(before) == [f"x{number}" for number in range(5)]


def test_a_disk_that_is_full_stops_no_reading_and_no_writing_and_ends_by_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, __: object) -> None:
        raise OSError(28, "No space left on device")

    index = SegmentedIndex(folder, SMALL)
    index.apply([taught(f"x{number}") for number in range(6)], {0: 6})
    with monkeypatch.context() as patched:
        patched.setattr(files.DigestedFile, "write", full)
        for work in (index.flush, index.maintain, index.flush):
            with pytest.raises(Unavailable):
                work()
        index.apply([taught("y"), change("x0", None)], {0: 8})
        assert ids(index.view(BIRDS)) == ["x1", "x2", "x3", "x4", "x5", "y"]

    other = SegmentedIndex(folder)
    other.restore(index.flush())

    assert ids(other.view(BIRDS)) == ids(index.view(BIRDS)) == ["x1", "x2", "x3", "x4", "x5", "y"]
    assert index.statistics().buffered == 0


def test_a_buffer_that_is_full_refuses_to_grow_until_it_was_written(folder: Path) -> None:
    index = SegmentedIndex(folder, Parameters(BufferParameters(most_bytes=1_000)))

    def teach_without_end() -> None:
        for number in range(2_000):
            index.apply([taught(f"x{number}")], {0: number + 1})

    with pytest.raises(Unavailable) as refused:
        teach_without_end()
    seen = len(ids(index.view(BIRDS)))

    assert refused.value.reason == "BUFFER_FULL"
    assert index.view(BIRDS).version == f"v1.0-{seen}"
    index.flush()
    index.apply([taught("after")], {0: 9_999})
    assert len(ids(index.view(BIRDS))) == seen + 1


def test_work_is_done_where_it_is_due_and_ends(folder: Path) -> None:
    index = SegmentedIndex(folder, SMALL)
    assert not index.maintain()
    index.apply([taught(f"x{number}") for number in range(3)], {0: 3})
    assert not index.maintain()
    index.apply([taught(f"y{number}") for number in range(30)], {0: 33})

    settle(index)

    found = index.statistics()
    assert (found.buffered, found.segments, found.rows, found.dead) == (0, 1, 33, 0)


def test_what_is_mostly_dead_is_written_anew(folder: Path) -> None:
    index = SegmentedIndex(folder)
    index.apply([taught(f"x{number}") for number in range(10)], {0: 10})
    index.flush()
    index.apply([change(f"x{number}", None) for number in range(4)], {0: 14})

    settle(index)
    assert (index.statistics().rows, index.statistics().dead) == (6, 0)

    index.apply([change(f"x{number}", None) for number in range(10)], {0: 24})
    settle(index)
    assert index.statistics().segments == 0
    assert ids(index.view(BIRDS)) == []


def test_taught_forgotten_and_taught_again_is_there_once(folder: Path) -> None:
    """The second segment has the digest of the first."""
    index = SegmentedIndex(folder)
    index.apply([taught("a")], {0: 1})
    index.flush()
    index.apply([change("a", None), taught("a")], {0: 3})
    state = index.flush()

    assert ids(index.view(BIRDS)) == ["a"]
    other = SegmentedIndex(folder)
    other.restore(state)
    assert ids(other.view(BIRDS)) == ["a"]


def test_a_state_that_does_not_fit_is_refused_whole(folder: Path) -> None:
    index = SegmentedIndex(folder)
    index.apply([taught("a"), Change(SEA, "s", encoded("s", "seal", [NORTH]))], {0: 2})
    state = index.flush()
    (birds,), (sea,) = state.collections[BIRDS], state.collections[SEA]
    shutil.rmtree(sea.folder)
    none = np.zeros(0, np.int32)
    wrong: list[dict[object, tuple[SegmentState, ...]]] = [
        {BIRDS: (birds,), SEA: (sea,)},
        {SEA: (birds,)},
        {BIRDS: (SegmentState(birds.folder, np.array([1], np.int32)),)},
    ]
    for collections in wrong:
        other = SegmentedIndex(folder)
        with pytest.raises(Corrupt):
            other.restore(State({0: 2}, collections))  # type: ignore[arg-type]
        assert ids(other.view(BIRDS)) == []
        assert other.view(BIRDS).version == "v1"
    fine = SegmentedIndex(folder)
    fine.restore(State({0: 2}, {BIRDS: (SegmentState(birds.folder, none),)}))
    assert ids(fine.view(BIRDS)) == ["a"]


def test_collections_are_sealed_apart(folder: Path) -> None:
    index = SegmentedIndex(folder)
    index.apply([taught("a"), Change(SEA, "a", encoded("a", "seal", [EAST]))], {0: 2})

    state = index.flush()

    assert {key: len(segments) for key, segments in state.collections.items()} == {BIRDS: 1, SEA: 1}
    assert [each.label for each in index.view(SEA).exemplars()] == ["seal"]


def test_nothing_is_lost_or_seen_twice_while_everything_goes_on_at_once(folder: Path) -> None:
    """A writer replaces 60 exemplars again and again, the keeper seals and merges, readers look."""
    index = SegmentedIndex(folder, SMALL)
    vectors = [embedding(number, 7, 60 - number) for number in range(60)]
    expected = [f"x{number:02}" for number in range(60)]
    index.apply([taught(name, vector) for name, vector in zip(expected, vectors, strict=True)], {0: 1})

    def look() -> None:
        view = index.view(BIRDS)
        (found,) = view.nearest([vectors[0]], most=100, scope=ALL)
        assert sorted(hit.exemplar.exemplar_id for hit in found.hits) == expected
        assert ids(view) == expected
        assert sum(view.labels().values()) == 60

    def keep() -> None:
        index.flush()
        settle(index)

    with ThreadPoolExecutor() as pool:
        writing = threading.Event()
        others = [pool.submit(_until, writing, work) for work in (look, look, keep)]
        for number in range(300):
            place = number * 7 % 60
            index.apply([taught(expected[place], vectors[place], f"label {number}")], {0: number})
        writing.set()
        for each in others:
            each.result()


def _until(event: threading.Event, work: Callable[[], None]) -> None:
    while not event.is_set():
        work()
