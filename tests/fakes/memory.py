"""A memory as a dictionary and the plainest arithmetic: fake for use cases, oracle for real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.kernel.errors import InvalidInput, Unavailable
from services.kernel.vocabulary import CollectionKey, Embedding, EncodedExemplar, Exemplar, ExemplarKind
from services.retrieval.domain import Hit, Scope, comparable
from services.retrieval.ports import Found, Search


@dataclass(frozen=True)
class InMemoryView:
    version: str
    entries: Mapping[str, EncodedExemplar]

    def nearest(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        return [self._nearest(query, most=most, scope=scope) for query in queries]

    def compare_all(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        return self.nearest(queries, most=most, scope=scope)

    def exemplars(self, *, after: str = "") -> Iterator[Exemplar]:
        return (self.entries[key].exemplar for key in sorted(self.entries) if key > after)

    def encoded(self, *, after: str = "") -> Iterator[EncodedExemplar]:
        return (self.entries[key] for key in sorted(self.entries) if key > after)

    def spaces(self) -> Mapping[frozenset[str], int]:
        return Counter(frozenset(each.space for each in entry.embeddings) for entry in self.entries.values())

    def find(self, exemplar_ids: Collection[str]) -> Mapping[str, EncodedExemplar]:
        return {name: self.entries[name] for name in exemplar_ids if name in self.entries}

    def described(self, labels: Collection[str], *, most: int, scope: Scope) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for each in self.exemplars():
            texts = found.get(each.label, ())
            if each.kind is ExemplarKind.ATTRIBUTE and each.label in labels and scope.admits(each):
                found[each.label] = (*texts, each.text)[:most]
        return found

    def labels(self) -> Mapping[str, int]:
        return Counter(entry.exemplar.label for entry in self.entries.values())

    def _nearest(self, query: Embedding, *, most: int, scope: Scope) -> Found:
        best: dict[str, Hit] = {}
        left_out = 0
        for entry in self.entries.values():
            for stored in entry.embeddings:
                if stored.space != query.space:
                    continue
                if stored.vector.shape != query.vector.shape or not comparable(query.encoder, stored.encoder):
                    left_out += 1
                    continue
                hit = Hit(entry.exemplar, _cosine(query, stored))
                old = best.get(entry.exemplar.exemplar_id)
                if scope.admits(entry.exemplar) and (old is None or old.similarity < hit.similarity):
                    best[entry.exemplar.exemplar_id] = hit
        hits = sorted(best.values(), key=lambda hit: (-hit.similarity, hit.exemplar.exemplar_id))
        return Found(tuple(hits[:most]), left_out)


@dataclass
class InMemoryMemory:
    """Its version is the number of writes."""

    collections: dict[CollectionKey, dict[str, EncodedExemplar]] = field(default_factory=dict)
    writes: int = 0

    def remember(self, collection: CollectionKey, encoded: EncodedExemplar) -> str:
        entries = dict(self.collections.get(collection, {}))
        entries[encoded.exemplar.exemplar_id] = encoded
        return self._write(collection, entries)

    def forget(self, collection: CollectionKey, exemplar_id: str) -> str:
        entries = dict(self.collections.get(collection, {}))
        entries.pop(exemplar_id, None)
        return self._write(collection, entries)

    def view(self, collection: CollectionKey, *, at_least: str = "") -> InMemoryView:
        if at_least and not at_least.isdigit():
            raise InvalidInput("no memory version", field="min_memory_version")
        if int(at_least or 0) > self.writes:
            raise Unavailable("the memory is not that new", reason="MEMORY_BEHIND")
        return InMemoryView(str(self.writes), self.collections.get(collection, {}))

    def _write(self, collection: CollectionKey, entries: dict[str, EncodedExemplar]) -> str:
        self.collections[collection] = entries
        self.writes += 1
        return str(self.writes)


def _cosine(query: Embedding, stored: Embedding) -> float:
    product = (query.vector.astype(np.float64) * stored.vector).sum()
    return float(np.clip(product, -1.0, 1.0))


@dataclass
class RecordingMonitor:
    """Keeps what it was told."""

    searches: list[float] = field(default_factory=list)
    searched_for: list[Search] = field(default_factory=list)
    left: list[tuple[CollectionKey, str, int]] = field(default_factory=list)

    def searched(self, search: Search, seconds: float) -> None:
        self.searched_for.append(search)
        self.searches.append(seconds)

    def left_out(self, collection: CollectionKey, query: Embedding, count: int) -> None:
        self.left.append((collection, query.encoder, count))
