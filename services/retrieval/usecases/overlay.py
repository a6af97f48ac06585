"""A view of a memory with a few changes that nobody has made."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from services.kernel.vocabulary import Embedding, EncodedExemplar
from services.retrieval.domain import Hit, Scope, comparable
from services.retrieval.ports import Found


@runtime_checkable
class Answering(Protocol):
    """What a comparison needs of a view of the memory."""

    @property
    def version(self) -> str:
        """The memory version of that moment."""
        ...

    def nearest(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return for each query its nearest exemplars by cosine. Raises DeadlineExceeded, Unavailable."""
        ...


@dataclass(frozen=True, eq=False)
class Overlay:
    """A view but for some exemplars, which are others or are not there. They are few: all are compared.

    Args:
        base: What lies beneath.
        changed: By id; None: it is not there.
    """

    base: Answering
    changed: Mapping[str, EncodedExemplar | None]

    @property
    def version(self) -> str:
        """The memory version of what lies beneath."""
        return self.base.version

    def nearest(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return for each query its nearest exemplars."""
        beneath = Scope(scope.conditions, scope.excluded.union(self.changed))
        found = self.base.nearest(queries, most=most, scope=beneath)
        above = [each for each in self.changed.values() if each and scope.admits(each.exemplar)]
        return [
            Found(tuple(heapq.nsmallest(most, (*each.hits, *_hits(query, above)), key=_order)), each.left_out)
            for query, each in zip(queries, found, strict=True)
        ]


def _hits(query: Embedding, some: Sequence[EncodedExemplar]) -> Iterator[Hit]:
    """Yield each exemplar that can be compared with the query, by its most similar vector."""
    for each in some:
        cosines = [
            float(np.clip(query.vector.astype(np.float64) @ stored.vector, -1.0, 1.0))
            for stored in each.embeddings
            if stored.space == query.space
            and stored.vector.shape == query.vector.shape
            and comparable(query.encoder, stored.encoder)
        ]
        if cosines:
            yield Hit(each.exemplar, max(cosines))


def _order(hit: Hit) -> tuple[float, str]:
    return -hit.similarity, hit.exemplar.exemplar_id
