"""What retrieval needs from the world."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from services.kernel.vocabulary import CollectionKey, Embedding, EncodedExemplar, Exemplar
from services.retrieval.domain import Hit, Scope
from services.retrieval.domain.versions import QuerySet, VersionInfo


@dataclass(frozen=True)
class Found:
    """The neighbours of one query, nearest first, equally near ones by id.

    `left_out` counts the exemplars' vectors of the query's space that its encoder cannot be compared with.
    """

    hits: tuple[Hit, ...] = ()
    left_out: int = 0


@runtime_checkable
class MemoryView(Protocol):
    """One collection as it stood at one moment; it never changes, and threads may share it.

    A memory that others share may keep a moment for a while alone. After that whatever reads raises
    Unavailable, with the reason VIEW_EXPIRED, and does not answer from what is left.
    """

    @property
    def version(self) -> str:
        """The memory version of that moment."""
        ...

    def nearest(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return for each query its nearest exemplars by cosine; of large memories nearly all of them.

        A query meets only vectors of its space that its encoder is comparable with; an exemplar counts
        once. Raises DeadlineExceeded, Unavailable.
        """
        ...

    def compare_all(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return what `nearest` would if no vector were passed over: slow, to hold answers against.

        Raises DeadlineExceeded, Unavailable.
        """
        ...

    def exemplars(self, *, after: str = "") -> Iterator[Exemplar]:
        """Yield the exemplars whose id is greater than `after`, in order of id. Raises DeadlineExceeded."""
        ...

    def encoded(self, *, after: str = "") -> Iterator[EncodedExemplar]:
        """Yield the exemplars whose id is greater, with their embeddings, in order of id.

        Raises DeadlineExceeded.
        """
        ...

    def spaces(self) -> Mapping[frozenset[str], int]:
        """Return how many exemplars have embeddings in exactly these spaces, for each set of spaces."""
        ...

    def find(self, exemplar_ids: Collection[str]) -> Mapping[str, EncodedExemplar]:
        """Return those of these that there are, with their embeddings. Raises DeadlineExceeded."""
        ...

    def described(self, labels: Collection[str], *, most: int, scope: Scope) -> Mapping[str, tuple[str, ...]]:
        """Return texts of the attribute exemplars of these labels, by label: the first `most` by id.

        Labels without any are left out. Raises Unavailable.
        """
        ...

    def labels(self) -> Mapping[str, int]:
        """Return how many exemplars each label has."""
        ...


@dataclass(frozen=True, eq=False)
class Search:
    """What was searched for, in which state of a memory, and what was found for each query."""

    collection: CollectionKey
    view: MemoryView
    queries: Sequence[Embedding]
    scope: Scope
    most: int
    found: Sequence[Found]


@runtime_checkable
class Memory(Protocol):
    """What was taught; many threads read while one writes, and never see half a write."""

    def view(self, collection: CollectionKey, *, at_least: str = "") -> MemoryView:
        """Return the collection as it stands; a collection never written to is empty.

        With `at_least`, a memory version, waits until the memory is that new, as long as the caller's
        deadline allows. Raises InvalidInput if that is no version, DeadlineExceeded or Unavailable if the
        memory does not get there.
        """
        ...


@runtime_checkable
class Monitor(Protocol):
    """Is told what operators want to know; it neither blocks nor raises."""

    def searched(self, search: Search, seconds: float) -> None:
        """Take one search, of all regions of an image, and its time."""
        ...

    def left_out(self, collection: CollectionKey, query: Embedding, count: int) -> None:
        """Take that `count` vectors could not be compared with the encoder of a query."""
        ...


@runtime_checkable
class Versions(Protocol):
    """States of collections' memories, kept under names. What was erased is in none of them."""

    def keep(self, collection: CollectionKey, *, name: str, description: str) -> VersionInfo:
        """Keep the collection as it stands; durable when it returns. Raises Conflict, Unavailable."""
        ...

    def list(self, collection: CollectionKey) -> Sequence[VersionInfo]:
        """Return what is kept of a collection, the oldest first. Raises Corrupt, Unavailable."""
        ...

    def view(self, collection: CollectionKey, name: str) -> MemoryView:
        """Return a kept state. Raises NotFound, which names those that there are, Corrupt, Unavailable."""
        ...

    def unshared(self, now: MemoryView, then: MemoryView) -> tuple[MemoryView, MemoryView]:
        """Return both without such exemplars as are the same in both, as far as that is easily known."""
        ...

    def delete(self, collection: CollectionKey, name: str) -> None:
        """Keep a state no longer. Raises NotFound, Unavailable."""
        ...

    def erased(self, collection: CollectionKey, name: str) -> AbstractSet[str]:
        """Return the ids that a kept state must not bring back. Raises NotFound, Corrupt, Unavailable."""
        ...


@runtime_checkable
class QuerySets(Protocol):
    """Questions kept under names. Those that were made of what was erased are gone."""

    def keep(self, collection: CollectionKey, queries: QuerySet) -> None:
        """Keep questions; durable when it returns. Raises Conflict if the name is taken, Unavailable."""
        ...

    def list(self, collection: CollectionKey) -> Sequence[QuerySet]:
        """Return what is kept of a collection, the oldest first. Raises Corrupt, Unavailable."""
        ...

    def get(self, collection: CollectionKey, name: str) -> QuerySet:
        """Return kept questions. Raises NotFound, which names those that there are, Corrupt, Unavailable."""
        ...

    def delete(self, collection: CollectionKey, name: str) -> None:
        """Keep questions no longer. Raises NotFound, Unavailable."""
        ...


@runtime_checkable
class Erasures(Protocol):
    """The register of what was erased; an entry is never removed."""

    def mark(self, collection: CollectionKey, exemplar_ids: Collection[str], memory_version: str) -> None:
        """Note that these are erased; durable when it returns. Safe to repeat. Raises Unavailable.

        `memory_version` is of a memory without them; empty while they are still being forgotten. What was
        taught after it under the same id is another exemplar, and is not erased.
        """
        ...

    def since(self, collection: CollectionKey, memory_version: str) -> AbstractSet[str]:
        """Return the ids erased since the memory was of that version. Raises InvalidInput, Unavailable."""
        ...
