"""Cosine search in Milvus: it proposes rows, whose cosines are computed again from their vectors.

What a server returns may be rounded, or of a compressed index, and equally near rows come in any order. So a
search asks for more than is wanted, until what follows is further away than the last that is wanted, and
the best are chosen here: nearest first, equally near ones by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from services.kernel.vocabulary import Embedding
from services.retrieval.adapters.memory.block import TableKey
from services.retrieval.adapters.milvus.connection import MOST_HITS, Connection, Row
from services.retrieval.adapters.milvus.schema import INDEXES, Layout

_MORE: Final = 16  # asked for beyond what is wanted
_WIDEN: Final = 4
_SLACK: Final = 1e-4  # far more than single precision can be wrong by
_ANSWER_BYTES: Final = 16 << 20
_FIELDS: Final = ("exemplar_id", "vector")


class Near(NamedTuple):
    """A row, and its cosine to the query."""

    similarity: float
    exemplar_id: str
    row_id: str


@dataclass(frozen=True)
class Tables:
    """The tables of Milvus, and how they are asked."""

    connection: Connection
    layout: Layout

    def nearest(
        self, key: TableKey, queries: Sequence[Embedding], *, most: int, where: str
    ) -> Iterator[list[Near]]:
        """Yield for each query the rows that may be its nearest; maybe some more."""
        if most > MOST_HITS - _MORE:
            yield from self.all_near(key, queries, where=where)
            return
        limit = most + _MORE
        step = max(1, _ANSWER_BYTES // (limit * key.dim * 4))
        for start in range(0, len(queries), step):
            yield from self._proposed(key, queries[start : start + step], most=most, where=where)

    def all_near(self, key: TableKey, queries: Sequence[Embedding], *, where: str) -> list[list[Near]]:
        """Return for each query every row, compared one by one: slow."""
        near: list[list[Near]] = [[] for _ in queries]
        for rows in self.connection.rows(self.layout.vectors(key), where, _FIELDS):
            vectors = _vectors(rows)
            for query, found in zip(queries, near, strict=True):
                found.extend(_near(query, vectors, rows))
        return near

    def _proposed(
        self, key: TableKey, queries: Sequence[Embedding], *, most: int, where: str
    ) -> list[list[Near]]:
        near: dict[int, list[Near]] = {}
        waiting, limit = list(range(len(queries))), most + _MORE
        while waiting:
            hits = self._hits(key, [queries[i] for i in waiting], limit=limit, where=where)
            for i, found in zip(waiting, hits, strict=True):
                if limit >= MOST_HITS or _is_enough(found, most, limit):
                    near[i] = _near(queries[i], _vectors([hit["entity"] for hit in found]), _rows(found))
            waiting, limit = [i for i in waiting if i not in near], min(MOST_HITS, limit * _WIDEN)
        return [near[i] for i in range(len(queries))]

    def _hits(
        self, key: TableKey, queries: Sequence[Embedding], *, limit: int, where: str
    ) -> list[list[Row]]:
        return self.connection.search(
            self.layout.vectors(key),
            [query.vector for query in queries],
            filter=where,
            limit=limit,
            output_fields=list(_FIELDS),
            anns_field="vector",
            search_params=INDEXES[self.layout.index].search_params(limit),
        )


def best(near: Iterable[Near], most: int) -> list[Near]:
    """Return the nearest exemplars: each once, equally near ones in order of id."""
    first: dict[str, Near] = {}
    for each in sorted(near, key=lambda each: (-each.similarity, each.exemplar_id)):
        first.setdefault(each.exemplar_id, each)
    return list(first.values())[:most]


def _is_enough(hits: Sequence[Row], most: int, limit: int) -> bool:
    """Return whether nothing that was not returned can be as near as what is wanted."""
    return len(hits) < limit or hits[-1]["distance"] < hits[max(most, 1) - 1]["distance"] - _SLACK


def _rows(hits: Sequence[Row]) -> list[Row]:
    return [{"id": hit["id"], "exemplar_id": hit["entity"]["exemplar_id"]} for hit in hits]


def _vectors(rows: Sequence[Row]) -> Float32[np.ndarray, "row dim"]:
    return np.array([row["vector"] for row in rows], np.float32, ndmin=2)


def _near(query: Embedding, vectors: Float32[np.ndarray, "row dim"], rows: Sequence[Row]) -> list[Near]:
    if not rows:
        return []
    cosines = _cosines(query.vector.astype(np.float64), vectors)
    return [
        Near(similarity, row["exemplar_id"], row["id"])
        for similarity, row in zip(cosines.tolist(), rows, strict=True)
    ]


def _cosines(
    vector: Float64[np.ndarray, "dim"], vectors: Float32[np.ndarray, "row dim"]
) -> Float64[np.ndarray, "row"]:
    cosines: Float64[np.ndarray, "row"] = (vectors * vector).sum(axis=1)  # each summed on its own
    return cosines.clip(-1.0, 1.0)
