"""One collection as it stood at one moment."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.kernel.sharing import Lazy
from services.kernel.vocabulary import Embedding, EncodedExemplar, Exemplar
from services.retrieval.adapters.memory.describing import described
from services.retrieval.adapters.memory.holders import Holder, spaces_in
from services.retrieval.adapters.memory.search import search
from services.retrieval.domain import Scope
from services.retrieval.ports import Found
from services.runtime import deadline, memory_version

_CHECK_EVERY: Final = 1024


@dataclass(frozen=True, eq=False)
class SegmentedView:
    """A collection's blocks and segments; an id lives in one of them at most."""

    offsets: Mapping[int, int] = field(default_factory=dict)
    holders: tuple[Holder, ...] = ()

    @property
    def version(self) -> str:
        """The memory version of that moment."""
        return memory_version.encode(self.offsets)

    def nearest(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return for each query its nearest exemplars."""
        return search(self.holders, queries, most=most, scope=scope)

    def compare_all(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return for each query its nearest exemplars, no index asked."""
        return search(self.holders, queries, most=most, scope=scope, use_indexes=False)

    def exemplars(self, *, after: str = "") -> Iterator[Exemplar]:
        """Yield the exemplars whose id is greater, in order of id."""
        return (holder.exemplar(slot) for slot, holder in self._slots(after))

    def encoded(self, *, after: str = "") -> Iterator[EncodedExemplar]:
        """Yield the exemplars whose id is greater, with their embeddings, in order of id."""
        return (holder.encoded(slot) for slot, holder in self._slots(after))

    def spaces(self) -> Mapping[frozenset[str], int]:
        """Return how many exemplars have embeddings in exactly these spaces."""
        counts: Counter[frozenset[str]] = Counter()
        for holder in self.holders:
            counts.update(spaces_in(holder))
        return counts

    def find(self, exemplar_ids: Collection[str]) -> Mapping[str, EncodedExemplar]:
        """Return those of these that there are, with their embeddings."""
        return {
            found.exemplar.exemplar_id: found
            for holder in self.holders
            for slot in holder.find(exemplar_ids)
            if holder.alive[slot]
            for found in (holder.encoded(slot),)
        }

    def described(self, labels: Collection[str], *, most: int, scope: Scope) -> Mapping[str, tuple[str, ...]]:
        """Return texts on how some labels look."""
        return described(self.holders, labels, most=most, scope=scope)

    def labels(self) -> Mapping[str, int]:
        """Return how many exemplars each label has."""
        return self._labels

    @Lazy
    def _labels(self) -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        for holder in self.holders:
            counts.update(holder.labels())
        return counts

    def _slots(self, after: str) -> Iterator[tuple[int, Holder]]:
        merged = heapq.merge(*(holder.after(after) for holder in self.holders))
        for count, (_, slot, holder) in enumerate(merged):
            if count % _CHECK_EVERY == 0:
                deadline.check()
            yield slot, holder
