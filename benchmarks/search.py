"""Search time by size of the memory, beside a bare product of the same arrays and the best hundred of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from benchmarks.measure import Side, in_turn
from benchmarks.table import table
from services.kernel.vocabulary import (
    VISUAL_SPACE,
    CollectionKey,
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
)
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.view import SegmentedView
from services.retrieval.domain import Scope

_SIZES = (1_000, 10_000, 50_000)
_DIM = 2792
_QUERIES = 20
_NEIGHBOURS = 100
_KEY = CollectionKey("default", "default")
_ENCODER = "encoder@0"

Vectors = Float32[np.ndarray, "n dim"]


@dataclass(frozen=True)
class Row:
    """Costs per query of one size."""

    size: int
    bare: Side
    ours: Side


def measure() -> list[Row]:
    """Run both sides in turn, for each size."""
    return [_measure(size) for size in _SIZES]


def report(rows: Sequence[Row]) -> str:
    """Return the result as a table."""
    head = ("exemplars", "bare ms", "ours ms", "over bare", "spread")
    lines = [
        (
            f"{row.size:,}",
            f"{1e3 * row.bare.cpu_s:.3f}",
            f"{1e3 * row.ours.cpu_s:.3f}",
            f"{row.ours.cpu_s / row.bare.cpu_s:.2f}",
            f"{100 * row.ours.spread:.0f} %",
        )
        for row in rows
    ]
    return f"one query of {_DIM} dimensions, {_NEIGHBOURS} neighbours, processor time\n{table(head, lines)}"


def _measure(size: int) -> Row:
    random = np.random.default_rng(0)
    rows = _unit(random.standard_normal((size, _DIM), dtype=np.float32))
    view = _taught(rows)

    def batch() -> list[Embedding]:
        queries = _unit(random.standard_normal((_QUERIES, _DIM), dtype=np.float32))
        return [Embedding(query, _ENCODER, VISUAL_SPACE) for query in queries]

    def bare(queries: Sequence[Embedding]) -> None:
        for query in queries:
            similarity = rows @ query.vector  # (n,)
            best = np.argpartition(-similarity, _NEIGHBOURS)[:_NEIGHBOURS]
            best[np.argsort(-similarity[best])]

    def ours(queries: Sequence[Embedding]) -> None:
        for query in queries:
            view.nearest([query], most=_NEIGHBOURS, scope=Scope())

    sides = in_turn({"bare": bare, "ours": ours}, batch)
    return Row(size, sides["bare"], sides["ours"])


def _taught(rows: Vectors) -> SegmentedView:
    index = SegmentedIndex(Path("nowhere"))  # nothing is sealed here, so nothing is written
    index.apply([_change(place, row) for place, row in enumerate(rows)], {})
    return index.view(_KEY)


def _change(place: int, row: Float32[np.ndarray, "dim"]) -> Change:
    exemplar = Exemplar(f"e{place}", f"class {place}", ExemplarKind.IMAGE)
    return Change(
        _KEY, exemplar.exemplar_id, EncodedExemplar(exemplar, (Embedding(row, _ENCODER, VISUAL_SPACE),))
    )


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


if __name__ == "__main__":
    print(report(measure()))
