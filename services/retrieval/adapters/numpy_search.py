"""Exact cosine search over the blocks of one collection: matrix products, then an exact second look.

A matrix product may round a cosine differently with the place of a row or the size of the batch. The
shortlist is therefore computed again in double precision, row by row, so that an answer depends on what was
taught alone: not on the order of teaching, nor on what else was asked at the same time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.kernel.vocabulary import Embedding, Exemplar
from services.retrieval.adapters.memory.block import BlockView, TableKey, TableView
from services.retrieval.domain import Hit, Scope, comparable
from services.retrieval.ports import Found
from services.runtime import deadline

_DEAD: Final = -4.0  # below every cosine
_LEAST: Final = -2.0  # between the dead and the living
_SLACK: Final = 1e-4  # far more than single precision can be wrong by
_MOST_CELLS: Final = 4_000_000  # similarities held at a time
_ROWS_AT_A_TIME: Final = 256
_WIDEN: Final = 4

_Part = tuple[BlockView, TableView]


def search(
    blocks: Sequence[BlockView], queries: Sequence[Embedding], *, most: int, scope: Scope
) -> list[Found]:
    """Return what each query finds, in order; queries of one table are searched for together."""
    groups: defaultdict[TableKey, list[int]] = defaultdict(list)
    for index, query in enumerate(queries):
        groups[TableKey.of(query)].append(index)
    found = [Found()] * len(queries)
    for key, indexes in groups.items():
        group = _Group(blocks, key)
        step = max(1, _MOST_CELLS // max(group.columns, 1))
        for start in range(0, len(indexes), step):
            some = indexes[start : start + step]
            answers = group.search([queries[index] for index in some], most=most, scope=scope)
            for index, answer in zip(some, answers, strict=True):
                found[index] = answer
    return found


class _Group:
    """All vectors that queries of one kind may meet, as one run of columns."""

    def __init__(self, blocks: Sequence[BlockView], key: TableKey) -> None:
        self._parts: list[_Part] = []
        self.left_out = 0
        for block in blocks:
            for stored, table in block.tables.items():
                if stored.space != key.space:
                    continue
                if stored.dim == key.dim and comparable(key.encoder, stored.encoder):
                    self._parts.append((block, table))
                else:
                    self.left_out += int(np.count_nonzero(block.alive[table.slots]))
        self._ends = list(accumulate(len(table.slots) for _, table in self._parts))
        self.columns = self._ends[-1] if self._ends else 0

    def search(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Iterator[Found]:
        """Yield what each query finds."""
        vectors = np.stack([query.vector for query in queries])  # (query, dim)
        similarity = self._similarity(vectors)
        for vector, row in zip(vectors, similarity, strict=True):
            deadline.check()
            hits = self._nearest(vector.astype(np.float64), row, most=most, scope=scope)
            yield Found(hits, self.left_out)

    def _similarity(self, vectors: Float32[np.ndarray, "query dim"]) -> Float32[np.ndarray, "query column"]:
        similarity = np.empty((len(vectors), self.columns), np.float32)
        start = 0
        for block, table in self._parts:
            deadline.check()
            part = similarity[:, start : start + len(table.slots)]
            np.matmul(vectors, table.rows.T, out=part)  # (query, row)
            if block.dead:
                part[:, ~block.alive[table.slots]] = _DEAD
            start += len(table.slots)
        return similarity

    def _nearest(
        self,
        vector: Float64[np.ndarray, "dim"],
        similarity: Float32[np.ndarray, "column"],
        *,
        most: int,
        scope: Scope,
    ) -> tuple[Hit, ...]:
        """Widen the shortlist until enough of it is in scope: a narrow scope costs a longer look."""
        wanted = most
        while True:
            threshold = _threshold(similarity, wanted)
            columns = np.flatnonzero(similarity >= max(threshold - _SLACK, _LEAST))
            exemplars = self._exemplars(columns)
            if not scope.is_open:
                columns, exemplars = _admitted(columns, exemplars, scope)
            enough = _enough(similarity[columns], exemplars, most)
            if enough >= threshold or wanted >= self.columns:
                break
            wanted *= _WIDEN
        near = similarity[columns] >= enough - _SLACK
        exemplars = [exemplars[each] for each in np.flatnonzero(near).tolist()]
        return _ordered(exemplars, self._cosines(vector, columns[near]))[:most]

    def _by_part(
        self, columns: Int64[np.ndarray, "n"]
    ) -> Iterator[tuple[BlockView, TableView, Int64[np.ndarray, "m"]]]:
        """Yield columns, which come in order, as rows of the tables that they belong to."""
        begin, first = 0, 0
        ends = np.searchsorted(columns, self._ends).tolist()
        for (block, table), end, last in zip(self._parts, ends, self._ends, strict=True):
            if end > begin:
                yield block, table, columns[begin:end] - first
            begin, first = end, last

    def _exemplars(self, columns: Int64[np.ndarray, "n"]) -> list[Exemplar]:
        return [
            block.exemplar(slot)
            for block, table, rows in self._by_part(columns)
            for slot in table.slots[rows].tolist()
        ]

    def _cosines(self, vector: Float64[np.ndarray, "dim"], columns: Int64[np.ndarray, "n"]) -> list[float]:
        cosines: list[float] = []
        for _, table, rows in self._by_part(columns):
            for start in range(0, len(rows), _ROWS_AT_A_TIME):
                some = table.rows[rows[start : start + _ROWS_AT_A_TIME]]
                products = (some * vector).sum(axis=1)  # (row,), each summed on its own
                cosines.extend(np.clip(products, -1.0, 1.0).tolist())
        return cosines


def _admitted(
    columns: Int64[np.ndarray, "n"], exemplars: Sequence[Exemplar], scope: Scope
) -> tuple[Int64[np.ndarray, "m"], list[Exemplar]]:
    """Return the columns, with their exemplars, that are in scope."""
    admitted = [place for place, exemplar in enumerate(exemplars) if scope.admits(exemplar)]
    return columns[admitted], [exemplars[place] for place in admitted]


def _enough(similarity: Float32[np.ndarray, "n"], exemplars: Sequence[Exemplar], most: int) -> float:
    """Return the similarity down to which there are `most` exemplars, or that of the dead."""
    seen: set[str] = set()
    for place in np.argsort(-similarity).tolist():
        seen.add(exemplars[place].exemplar_id)
        if len(seen) == most:
            return float(similarity[place])
    return _DEAD


def _ordered(exemplars: Sequence[Exemplar], cosines: Sequence[float]) -> tuple[Hit, ...]:
    """Return each exemplar once, nearest first, equally near ones by id."""
    hits = [Hit(exemplar, cosine) for exemplar, cosine in zip(exemplars, cosines, strict=True)]
    hits.sort(key=lambda hit: (-hit.similarity, hit.exemplar.exemplar_id))
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.exemplar.exemplar_id, hit)
    return tuple(first.values())


def _threshold(similarity: Float32[np.ndarray, "n"], wanted: int) -> float:
    """Return the similarity that so many columns reach."""
    if wanted >= len(similarity):
        return _LEAST
    place = len(similarity) - wanted
    return float(np.partition(similarity, place)[place])
