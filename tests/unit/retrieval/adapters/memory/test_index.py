from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.kernel.errors import Corrupt, Unavailable
from services.kernel.vocabulary import AttributeValue, Condition, Embedding, EncodedExemplar
from services.retrieval.adapters.memory import files
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.parameters import (
    BufferParameters,
    IndexParameters,
    MergeParameters,
    Parameters,
)
from services.retrieval.adapters.memory.state import SegmentState, State
from services.retrieval.adapters.memory.view import SegmentedView
from services.retrieval.domain import Scope
from tests.fakes.exemplars import BIRDS, ENCODER, OTHER_DIGEST, SEA, embedding, encoded
from tests.fakes.memory import InMemoryMemory

ALL = Scope()
NORTH, EAST = embedding(0, 1), embedding(1, 0)
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (where a flush costs nothing)
SMALL = Parameters(BufferParameters(rows=4), MergeParameters(most_rows=40, few_rows=2))


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=IN_MEMORY))
    yield path
    shutil.rmtree(path)


def settle(index: SegmentedIndex) -> None:
    while index.maintain():
        pass


def change(name: str, encoded_as: EncodedExemplar | None) -> Change:
    return Change(BIRDS, name, encoded_as)


def taught(name: str, vector: Embedding = NORTH, label: str = "robin") -> Change:
    return change(name, encoded(name, label, [vector]))


def ids(view: SegmentedView) -> list[str]:
    return [each.exemplar_id for each in view.exemplars()]


NAMES = st.sampled_from([f"x{number}" for number in range(12)])
SPACES = st.sampled_from(["visual", "name"])
VECTORS = st.builds(
    lambda x, y, z, encoder, space: embedding(x, y, z, encoder=encoder, space=space),
    st.integers(-3, 3),
    st.integers(-3, 3),
    st.integers(1, 3),
    st.sampled_from([ENCODER, OTHER_DIGEST, "bridge@aa"]),
    SPACES,
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["place", "size"]), st.sampled_from(["wood", "sea", 1.0, 2.0, True]), max_size=2
)
CONDITIONS = st.sampled_from(
    [Condition("place", one_of=("wood", 1.0)), Condition("size", least=1.0, most=1.5), Condition("size")]
)
SCOPES = st.builds(
    Scope,
    st.lists(CONDITIONS, max_size=2).map(tuple),
    st.frozensets(NAMES, max_size=2),
)


class AgainstTheOracle(RuleBasedStateMachine):
    """Whatever is done, and in whatever order, the segments answer as the plainest arithmetic does."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        self.index = SegmentedIndex(self.folder, SMALL)
        self.oracle = InMemoryMemory()
        self.kept: tuple[State, dict[str, EncodedExemplar]] | None = None
        self.written = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(
        name=NAMES,
        label=st.sampled_from(["robin", "wren"]),
        vectors=st.lists(VECTORS, max_size=3, unique_by=lambda each: (each.space, each.encoder)),
        attributes=ATTRIBUTES,
    )
    def remember(
        self, name: str, label: str, vectors: list[Embedding], attributes: dict[str, AttributeValue]
    ) -> None:
        exemplar = encoded(name, label, vectors, attributes)
        self.oracle.remember(BIRDS, exemplar)
        self.apply(Change(BIRDS, name, exemplar))

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        self.oracle.forget(BIRDS, name)
        self.apply(Change(BIRDS, name, None))

    @rule(name=NAMES)
    def relabel(self, name: str) -> None:
        known = self.oracle.collections.get(BIRDS, {}).get(name)
        if known is not None:
            self.remember(name, "corrected", list(known.embeddings), dict(known.exemplar.attributes))

    def apply(self, *changes: Change) -> None:
        self.written += 1
        self.index.apply(changes, {0: self.written})

    @rule()
    def flush(self) -> None:
        self.kept = self.index.flush(), dict(self.oracle.collections.get(BIRDS, {}))

    @rule()
    def maintain(self) -> None:
        self.index.maintain()

    @precondition(lambda self: self.kept is not None)
    @rule()
    def open_the_last_state_in_another_process(self) -> None:
        assert self.kept is not None
        state, entries = self.kept
        self.index = SegmentedIndex(self.folder, SMALL)
        self.index.restore(state)
        self.oracle = InMemoryMemory({BIRDS: dict(entries)})
        self.written = state.offsets.get(0, 0)

    @rule(query=VECTORS, most=st.integers(1, 13), scope=SCOPES)
    def search(self, query: Embedding, most: int, scope: Scope) -> None:
        found = self.index.view(BIRDS).nearest([query], most=most, scope=scope)

        assert found == self.oracle.view(BIRDS).nearest([query], most=most, scope=scope)

    @invariant()
    def what_is_listed_agrees(self) -> None:
        view, expected = self.index.view(BIRDS), self.oracle.view(BIRDS)
        assert list(view.exemplars()) == list(expected.exemplars())
        assert dict(view.labels()) == dict(expected.labels())
        counts = dict.fromkeys(("visual", "name"), 0)
        for entry in expected.encoded():
            for space in {each.space for each in entry.embeddings}:
                counts[space] += 1
        assert {space: self.index.items().get(space, 0) for space in counts} == counts


AgainstTheOracle.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestAgainstTheOracle = AgainstTheOracle.TestCase


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


INDEXED = Parameters(
    index=IndexParameters(exact_rows=300, rows=250, held_out=60, gathered_bytes=1 << 11, recall=0.995),
    merge=MergeParameters(most_rows=2_000),
)


def clustered(count: int, dim: int = 24, *, seed: int = 0) -> list[Embedding]:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(1).standard_normal((40, dim))
    rows = centres[random.integers(0, 40, count)] + 0.6 * random.standard_normal((count, dim))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return [Embedding(row, ENCODER, "visual") for row in rows]


def numbered(number: int, vector: Embedding) -> Change:
    name = f"x{number:05}"
    attributes: dict[str, AttributeValue] = {"tenth": float(number % 10), "hundredth": float(number % 100)}
    return change(name, encoded(name, f"label {number % 7}", [vector], attributes))


Taught = dict[str, EncodedExemplar]


def true_ids(taught_now: Taught, queries: Sequence[Embedding], scope: Scope, *, most: int) -> list[list[str]]:
    names = [name for name, each in taught_now.items() if scope.admits(each.exemplar)]
    if not names:
        return [[] for _ in queries]
    rows = np.stack([taught_now[name].embeddings[0].vector for name in names])
    order = np.argsort(-np.stack([query.vector for query in queries]) @ rows.T, axis=1)[:, :most]
    return [[names[place] for place in places] for places in order.tolist()]


def recall(index: SegmentedIndex, taught_now: Taught, scope: Scope, *, most: int) -> float:
    """Return which share of the true neighbours is found; all that is found is as it was taught."""
    queries = clustered(60, seed=9)
    found = index.view(BIRDS).nearest(queries, most=most, scope=scope)
    shares = []
    for true, each in zip(true_ids(taught_now, queries, scope, most=most), found, strict=True):
        hits = {hit.exemplar.exemplar_id: hit for hit in each.hits}
        assert len(hits) == len(each.hits) == len(true)
        assert all(hit.exemplar == taught_now[name].exemplar for name, hit in hits.items())
        similarity = [hit.similarity for hit in each.hits]
        assert similarity == sorted(similarity, reverse=True)
        shares.append(len(hits.keys() & set(true)) / len(true) if true else 1.0)
    return float(np.mean(shares))


TENTH = Scope((Condition("tenth", one_of=(3.0,)),))
HUNDREDTH = Scope((Condition("hundredth", one_of=(3.0,)),))
SCOPES_OF_ALL_SIZES = {
    "open": ALL,
    "half": Scope((Condition("tenth", least=0.0, most=4.0),)),
    "tenth": TENTH,
    "hundredth": HUNDREDTH,
    "all but one": Scope(excluded=frozenset({"x00007"})),
    "nothing": Scope((Condition("tenth", one_of=(11.0,)),)),
}


COUNT = 1_500


def indexed(folder: Path, count: int = COUNT) -> tuple[SegmentedIndex, Taught]:
    index = SegmentedIndex(folder, INDEXED)
    changes = [numbered(number, vector) for number, vector in enumerate(clustered(count))]
    index.apply(changes, {0: count})
    index.flush()
    settle(index)
    return index, taught_by(changes)


def taught_by(changes: Sequence[Change]) -> Taught:
    return {each.exemplar_id: each.encoded for each in changes if each.encoded}


def test_an_index_finds_what_is_promised_at_every_filter(folder: Path) -> None:
    index, taught_now = indexed(folder)

    assert index.statistics().indexed == {"rabitq": COUNT}
    for most in (10, 250):
        for scope in SCOPES_OF_ALL_SIZES.values():
            assert recall(index, taught_now, scope, most=most) >= 0.96


def test_what_was_forgotten_is_never_found_through_an_index(folder: Path) -> None:
    """The dead are the very ones that are nearest: first a few, then more than the index proposes."""
    index, taught_now = indexed(folder)
    (query,) = clustered(1, seed=9)
    for dead in (5, 100, 300):
        (nearest,) = true_ids(taught_now, [query], ALL, most=dead)
        for name in nearest:
            del taught_now[name]
        index.apply([change(name, None) for name in nearest], {0: 9_999})

        (found,) = index.view(BIRDS).nearest([query], most=20, scope=ALL)
        names = {hit.exemplar.exemplar_id for hit in found.hits}
        assert not names & set(nearest)
        assert len(names.intersection(*true_ids(taught_now, [query], ALL, most=20))) >= 18


def test_an_index_is_opened_with_its_segment_and_built_anew_if_it_is_damaged(folder: Path) -> None:
    index, taught_now = indexed(folder)
    state = index.flush()
    (file,) = (path for path in folder.glob("*/index-*") if path.suffix == ".faiss")
    other = SegmentedIndex(folder, INDEXED)
    other.restore(state)
    assert other.statistics().indexed == {"rabitq": COUNT}
    assert recall(other, taught_now, ALL, most=10) >= 0.96

    for damage in (lambda: file.write_bytes(file.read_bytes()[:-1]), file.unlink):
        damage()
        other = SegmentedIndex(folder, INDEXED)
        other.restore(state)
        assert other.statistics().indexed == {"exact": COUNT}
        assert recall(other, taught_now, ALL, most=10) == 1
        settle(other)
        assert other.statistics().indexed == {"rabitq": COUNT}


def test_a_small_collection_is_compared_whole(folder: Path) -> None:
    index, taught_now = indexed(folder, 299)

    assert index.statistics().indexed == {"exact": 299}
    for scope in SCOPES_OF_ALL_SIZES.values():
        assert recall(index, taught_now, scope, most=30) == 1


def test_twenty_turnovers_lose_no_recall(folder: Path) -> None:
    """Every exemplar is replaced twenty times over, by others, while the keeper does its work."""
    index, _ = indexed(folder, 400)
    for turn in range(20):
        vectors = clustered(400, seed=100 + turn)
        changes = [numbered(number, vector) for number, vector in enumerate(vectors)]
        for begin in range(0, 400, 200):
            index.apply(changes[begin : begin + 200], {0: turn * 400 + begin})
            index.maintain()
        index.flush()
    settle(index)

    assert recall(index, taught_by(changes), ALL, most=10) >= 0.98
    assert len(ids(index.view(BIRDS))) == 400
    assert index.statistics().rows < 700
    assert index.statistics().indexed["rabitq"] > 0
