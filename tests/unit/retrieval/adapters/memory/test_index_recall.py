"""Collections that are large enough for an approximate index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.kernel.vocabulary import AttributeValue, Condition, Embedding, EncodedExemplar
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.parameters import (
    IndexParameters,
    MergeParameters,
    Parameters,
)
from services.retrieval.domain import Scope
from tests.fakes.exemplars import BIRDS, ENCODER, encoded
from tests.unit.retrieval.adapters.memory.indexes import ALL, change, ids, settle

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
