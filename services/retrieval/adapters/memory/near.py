"""What one query may find, from all blocks and segments together, and the nearest of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped

from services.retrieval.adapters.memory.block import TableView
from services.retrieval.adapters.memory.holders import Holder
from services.retrieval.domain import Hit

DEAD: Final = -4.0
"""Below every cosine."""
_LEAST: Final = -2.0  # between the dead and the living
_SLACK: Final = 1e-4  # far more than single precision can be wrong by
_WIDEN: Final = 4
_ROWS_AT_A_TIME: Final = 256


@runtime_checkable
class Part(Protocol):
    """A table, and whose it is."""

    @property
    def holder(self) -> Holder:
        """Has the exemplars."""
        ...

    @property
    def table(self) -> TableView:
        """Has the vectors."""
        ...


class Columns(NamedTuple):
    """Some rows of a table, as columns beside those of other tables."""

    part: Part
    rows_of: Callable[[Int64[np.ndarray, "n"]], Int64[np.ndarray, "n"]]


class Near:
    """Everything that one query may find, as one run of columns."""

    def __init__(
        self, parts: Sequence[Columns], ends: Sequence[int], similarity: Float32[np.ndarray, "column"]
    ) -> None:
        self._parts = list(parts)
        self._ends = list(ends)
        self._similarity = [similarity] if len(similarity) else []

    def add(self, part: Part, rows: Int64[np.ndarray, "row"], similarity: Float32[np.ndarray, "row"]) -> None:
        """Append a shortlist."""
        self._parts.append(Columns(part, rows.__getitem__))
        self._ends.append(self._ends[-1] + len(rows))
        self._similarity.append(similarity)

    def best(self, vector: Float64[np.ndarray, "dim"], most: int, *, repeats: bool) -> tuple[Hit, ...]:
        """Return the nearest exemplars: each once, equally near ones in order of id."""
        if not self._similarity:
            return ()
        similarity = self._similarity[0] if len(self._similarity) == 1 else np.concatenate(self._similarity)
        looked_at = [
            (part.holder, part.table.slots[rows], _cosines(vector, part.table, rows))
            for part, rows in self._by_part(self._shortlist(similarity, most, repeats=repeats))
        ]
        if not repeats and len(looked_at) == 1:
            return _of_one(*looked_at[0], most)
        return _ordered(hit for each in looked_at for hit in _hits(*each))[:most]

    def _shortlist(
        self, similarity: Float32[np.ndarray, "column"], most: int, *, repeats: bool
    ) -> Int64[np.ndarray, "n"]:
        """Return, rising, the columns that may belong to the nearest exemplars."""
        wanted = most
        while True:
            threshold = _threshold(similarity, wanted)
            if not repeats or wanted >= len(similarity):
                break
            if self._exemplars((similarity >= threshold).nonzero()[0]) >= most:
                break
            wanted *= _WIDEN
        return (similarity >= max(threshold - _SLACK, _LEAST)).nonzero()[0]

    def _exemplars(self, columns: Int64[np.ndarray, "n"]) -> int:
        """Return how many exemplars the columns have."""
        slots = ((part.holder, part.table.slots[rows].tolist()) for part, rows in self._by_part(columns))
        return len({(id(holder), slot) for holder, some in slots for slot in some})

    def _by_part(self, columns: Int64[np.ndarray, "n"]) -> Iterator[tuple[Part, Int64[np.ndarray, "m"]]]:
        """Yield columns, which come in order, as rows of the tables that they belong to."""
        if len(self._parts) == 1:
            yield self._parts[0].part, self._parts[0].rows_of(columns)
            return
        begin = 0
        ends = columns.searchsorted(self._ends[1:]).tolist()
        for (part, rows_of), first, end in zip(self._parts, self._ends, ends, strict=False):
            if end > begin:
                yield part, rows_of(columns[begin:end] - first)
            begin = end


def _cosines(
    vector: Float64[np.ndarray, "dim"], table: TableView, rows: Int64[np.ndarray, "n"]
) -> Float64[np.ndarray, "n"]:
    cosines = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), _ROWS_AT_A_TIME):
        some = table.rows[rows[start : start + _ROWS_AT_A_TIME]]
        cosines[start : start + len(some)] = (some * vector).sum(axis=1)  # (row,), each summed on its own
    return cosines.clip(-1.0, 1.0, out=cosines)


def _of_one(
    holder: Holder, slots: Shaped[np.ndarray, "n"], cosines: Float64[np.ndarray, "n"], most: int
) -> tuple[Hit, ...]:
    """Return the nearest of one table: only what is returned is decoded, unless some are equally near."""
    order = (-cosines).argsort(kind="stable")
    falling = cosines[order]
    if len(order) > most and falling[most - 1] > falling[most]:
        order, falling = order[:most], falling[:most]
    hits = _hits(holder, slots[order], falling)
    return (tuple(hits) if (falling[:-1] > falling[1:]).all() else _ordered(hits))[:most]


def _hits(holder: Holder, slots: Shaped[np.ndarray, "n"], cosines: Float64[np.ndarray, "n"]) -> Iterator[Hit]:
    return map(Hit, holder.exemplars(slots.tolist()), cosines.tolist())


def _ordered(hits: Iterator[Hit]) -> tuple[Hit, ...]:
    """Return each exemplar once, nearest first, equally near ones by id."""
    first: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.similarity, hit.exemplar.exemplar_id)):
        first.setdefault(hit.exemplar.exemplar_id, hit)
    return tuple(first.values())


def _threshold(similarity: Float32[np.ndarray, "column"], wanted: int) -> float:
    """Return the similarity that so many columns reach."""
    place = len(similarity) - wanted
    if place <= 0:
        return _LEAST
    found = similarity.copy()
    found.partition(place)
    return float(found[place])
