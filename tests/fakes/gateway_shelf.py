"""What is kept under names, in dictionaries: versions of the fake teacher's exemplars, and a register."""
# ruff: noqa: ARG002  (a fake need not look at everything)

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from fovea.kernel.v1 import versions_pb2
from services.gateway.domain.versions import QueriesWanted, Query, Step
from services.kernel.errors import NotFound
from services.kernel.vocabulary import CollectionKey, EncodedExemplar, Exemplar, RecognitionOptions
from tests.fakes.gateway_steps import FakeRetriever


class InMemoryShelf:
    """Knows one memory, that of the retriever; what is restored has no embeddings."""

    def __init__(self, retriever: FakeRetriever) -> None:
        self._retriever = retriever
        self.kept: dict[str, Mapping[str, Exemplar]] = {}
        self.calls: list[tuple[object, ...]] = []
        self.marks: list[tuple[tuple[str, ...], str]] = []
        self.erased_ids: set[str] = set()
        self.entries: list[object] = []
        self.wanted: list[tuple[QueriesWanted, tuple[Query, ...]]] = []

    def keep_version(
        self, collection: CollectionKey, *, name: str, description: str, min_memory_version: str
    ) -> object:
        self.calls.append(("keep", collection, name, description, min_memory_version))
        self.kept[name] = {each.exemplar_id: each for each in self._retriever.exemplars}
        return versions_pb2.MemoryVersion(name=name, description=description)

    def versions(self, collection: CollectionKey) -> Sequence[object]:
        return [versions_pb2.MemoryVersion(name=name) for name in self.kept]

    def delete_version(self, collection: CollectionKey, name: str) -> None:
        if name not in self.kept:
            raise NotFound(f"no version {name}", field="name", reason="VERSION_UNKNOWN")
        del self.kept[name]

    def keep_queries(self, wanted: QueriesWanted, queries: Sequence[Query]) -> object:
        self.wanted.append((wanted, tuple(queries)))
        return versions_pb2.QuerySet(name=wanted.name, queries=len(queries))

    def query_sets(self, collection: CollectionKey) -> Sequence[object]:
        return [versions_pb2.QuerySet(name=wanted.name) for wanted, _ in self.wanted]

    def delete_query_set(self, collection: CollectionKey, name: str) -> None:
        self.calls.append(("delete queries", collection, name))

    def clear(self, collection: CollectionKey) -> None:
        self.calls.append(("clear", collection))

    def compare(
        self,
        collection: CollectionKey,
        states: tuple[object, object],
        *,
        queries: str,
        options: RecognitionOptions,
    ) -> Iterator[object]:
        self.calls.append(("compare", collection, *states, queries, options))
        return iter(self.entries)

    def difference(
        self, collection: CollectionKey, to: object, *, min_memory_version: str
    ) -> tuple[str, Iterator[Step]]:
        assert isinstance(to, versions_pb2.MemoryState)
        self.calls.append(("difference", collection, to.version, min_memory_version))
        now = {each.exemplar_id: each for each in self._retriever.exemplars}
        then = self.kept[to.version]
        return "v1", iter(list(_steps(now, then)))

    def mark_erased(
        self, collection: CollectionKey, exemplar_ids: Sequence[str], *, memory_version: str
    ) -> None:
        self.marks.append((tuple(exemplar_ids), memory_version))
        self.erased_ids |= set(exemplar_ids)

    def erased(self, collection: CollectionKey, state: object, *, memory_version: str) -> AbstractSet[str]:
        self.calls.append(("erased", collection, memory_version))
        return frozenset(self.erased_ids)


def _steps(now: Mapping[str, Exemplar], then: Mapping[str, Exemplar]) -> Iterator[Step]:
    for exemplar_id in sorted(now.keys() | then.keys()):
        if exemplar_id not in then:
            yield Step(exemplar_id)
        elif now.get(exemplar_id) != then[exemplar_id]:
            yield Step(exemplar_id, EncodedExemplar(then[exemplar_id], ()))
