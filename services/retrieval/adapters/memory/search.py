"""Cosine search over the blocks and segments of one collection: shortlists, then an exact second look.

What is small is compared whole, by matrix products; what is large is asked through its index for a
shortlist, whose similarities are then computed from the stored vectors. A matrix product may round a cosine
differently with the place of a row or the size of the batch. The best are therefore computed again in double
precision, row by row, so that the similarities depend on what was taught alone, and so do the answers of a
memory without indexes: not on the order of teaching, nor on what else was asked at the same time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from jaxtyping import Float32, Int64

from services.kernel.vocabulary import Embedding
from services.retrieval.adapters.memory.block import TableKey, TableView
from services.retrieval.adapters.memory.holders import Holder, SegmentView, allowed_in
from services.retrieval.adapters.memory.near import DEAD, Columns, Near
from services.retrieval.adapters.memory.table_index import Allowed, TableIndex
from services.retrieval.domain import Scope, comparable
from services.retrieval.ports import Found
from services.runtime import deadline

_MOST_CELLS: Final = 4_000_000  # similarities held at a time
_GATHERED_ROWS: Final = 1024
_GATHERED_SHARE: Final = 4  # of what is compared whole: a quarter, one by one, takes as long
_LENIENT: Final = 0.9  # share that may answer


def search(
    holders: Sequence[Holder],
    queries: Sequence[Embedding],
    *,
    most: int,
    scope: Scope,
    use_indexes: bool = True,
) -> list[Found]:
    """Return what each query finds, in order; queries of one table are searched for together."""
    groups: defaultdict[TableKey, list[int]] = defaultdict(list)
    for index, query in enumerate(queries):
        groups[TableKey.of(query)].append(index)
    found = [Found()] * len(queries)
    for key, indexes in groups.items():
        group = _Group(holders, key, scope, use_indexes=use_indexes)
        step = max(1, _MOST_CELLS // max(group.columns, 1))
        for start in range(0, len(indexes), step):
            some = indexes[start : start + step]
            answers = group.search([queries[index] for index in some], most=most)
            for index, answer in zip(some, answers, strict=True):
                found[index] = answer
    return found


@dataclass(frozen=True, eq=False)
class _Exact:
    """A table that is compared whole, or those of its rows that may answer."""

    holder: Holder
    table: TableView
    allowed: Allowed | None = None
    rows: Int64[np.ndarray, "row"] | None = None

    @property
    def columns(self) -> int:
        return len(self.table.slots) if self.rows is None else len(self.rows)

    def compare(
        self, vectors: Float32[np.ndarray, "query dim"], out: Float32[np.ndarray, "query row"]
    ) -> None:
        if self.rows is not None:
            for begin in range(0, len(self.rows), _GATHERED_ROWS):
                some = self.rows[begin : begin + _GATHERED_ROWS]
                out[:, begin : begin + len(some)] = vectors @ self.table.rows[some].T
            return
        np.matmul(vectors, self.table.rows.T, out=out)
        if self.allowed is not None:
            out[:, ~self.allowed.slots[self.table.slots]] = DEAD

    def taken(self, columns: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
        """Return the rows behind some columns."""
        return columns if self.rows is None else self.rows[columns]


@dataclass(frozen=True, eq=False)
class _Indexed:
    """A table that is asked through its index."""

    holder: SegmentView
    table: TableView
    index: TableIndex
    allowed: Allowed | None
    lenient: bool  # whether so few may not answer that they are best left out afterwards

    def shortlists(
        self, vectors: Float32[np.ndarray, "query dim"], most: int
    ) -> Iterator[tuple[Int64[np.ndarray, "row"], Float32[np.ndarray, "row"]]]:
        """Yield for each query the rows of its shortlist and their similarities."""
        found = self.index.shortlist(vectors, most=most, allowed=None if self.lenient else self.allowed)
        for vector, each in zip(vectors, found, strict=True):
            rows = each[each >= 0]
            if self.allowed is not None:
                rows = self._allowed(vector, rows, most, self.allowed)
            yield rows, self.table.rows[rows] @ vector

    def _allowed(
        self,
        vector: Float32[np.ndarray, "dim"],
        rows: Int64[np.ndarray, "row"],
        most: int,
        allowed: Allowed,
    ) -> Int64[np.ndarray, "kept"]:
        """Return those that may answer; more trouble is taken if they are too few."""
        enough = min(most, allowed.count)
        if self.lenient:
            rows = rows[allowed.slots[self.table.slots[rows]]]
            if len(rows) < enough:
                rows = self.index.shortlist(vector[np.newaxis], most=most, allowed=allowed)[0]
                rows = rows[rows >= 0]
        # What may answer can lie so far from the query that the index does not get there: then look at all.
        return rows if len(rows) >= enough else allowed.rows(self.table)


class _Group:
    """All vectors that queries of one kind may meet."""

    def __init__(self, holders: Sequence[Holder], key: TableKey, scope: Scope, *, use_indexes: bool) -> None:
        self._use_indexes = use_indexes
        self._exact: list[_Exact] = []
        self._indexed: list[_Indexed] = []
        self._repeats = False  # whether an exemplar may be met twice
        self.left_out = 0
        for holder in holders:
            self._add(holder, key, scope)
        self._ends = list(accumulate((part.columns for part in self._exact), initial=0))
        self.columns = self._ends[-1]

    def _add(self, holder: Holder, key: TableKey, scope: Scope) -> None:
        met = 0
        for stored, table in holder.tables.items():
            if stored.space != key.space:
                continue
            if stored.dim == key.dim and comparable(key.encoder, stored.encoder):
                self._plan(holder, stored, allowed_in(holder, scope), filtered=bool(scope.conditions))
                met += 1
            else:
                self.left_out += int(np.count_nonzero(holder.alive[table.slots]))
        self._repeats |= met > 1

    def _plan(self, holder: Holder, key: TableKey, allowed: Allowed | None, *, filtered: bool) -> None:
        """Decide how a table is searched: whole, what may answer of it, or through its index."""
        table = holder.tables[key]
        if allowed is not None and not allowed.count:
            return
        index = None
        if self._use_indexes and isinstance(holder, SegmentView):
            index = holder.segment.index_of(key)
        few = allowed is not None and allowed.count <= (
            index.gathered if index else len(table.slots) // _GATHERED_SHARE
        )
        if few and allowed is not None:
            self._exact.append(_Exact(holder, table, rows=allowed.rows(table)))
        elif index is not None and isinstance(holder, SegmentView):
            lenient = allowed is not None and not filtered and allowed.count >= _LENIENT * len(holder.alive)
            self._indexed.append(_Indexed(holder, table, index, allowed, lenient))
        else:
            self._exact.append(_Exact(holder, table, allowed))

    def search(self, queries: Sequence[Embedding], *, most: int) -> Iterator[Found]:
        """Yield what each query finds."""
        vectors = np.array([query.vector for query in queries])  # (query, dim)
        compared = self._compared(vectors)
        shortlists = [part.shortlists(vectors, most) for part in self._indexed]
        columns = [Columns(part, part.taken) for part in self._exact]
        for vector, row in zip(vectors, compared, strict=True):
            deadline.check()
            near = Near(columns, self._ends, row)
            for part, shortlist in zip(self._indexed, shortlists, strict=True):
                near.add(part, *next(shortlist))
            yield Found(near.best(vector.astype(np.float64), most, repeats=self._repeats), self.left_out)

    def _compared(self, vectors: Float32[np.ndarray, "query dim"]) -> Float32[np.ndarray, "query column"]:
        compared = np.empty((len(vectors), self.columns), np.float32)
        for part, begin, end in zip(self._exact, self._ends, self._ends[1:], strict=False):
            deadline.check()
            part.compare(vectors, compared[:, begin:end])
        return compared
