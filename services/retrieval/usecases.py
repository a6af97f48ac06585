"""What retrieval does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    Candidates,
    CollectionKey,
    Condition,
    Embedding,
    EncodedExemplar,
    Exemplar,
    RecognitionOptions,
    RegionEmbeddings,
    SpaceVote,
    Stage,
)
from services.retrieval.domain import Scope, id_of_token, page_token, pool, votes_in_force
from services.retrieval.ports import Found, Memory, MemoryView, Monitor

ENCODER_MISMATCH: Final = "encoder_mismatch"
"""Rung: exemplars were left out, because another version of the encoder made their vectors."""
NO_VOTE: Final = "no_vote"
"""Rung: a query lies in a space for which nobody has said how it votes, so the space was not asked."""


@dataclass(frozen=True)
class Recalled:
    """The candidates of each region, in order, and the record of how they were found."""

    candidates: tuple[Candidates, ...]
    stage: Stage


@dataclass(frozen=True)
class Voting:
    """How neighbours vote unless a caller says otherwise, and how many are asked in each space."""

    votes: tuple[SpaceVote, ...]
    neighbours: int = 100


class Recall:
    """Proposes class-distinct candidates for each region of an image, all from one state of the memory.

    Args:
        memory: Where the exemplars are.
        voting: What applies where the options say nothing.
        monitor: Is told about each search.
        version: Of this service, for the record.
        clock: Gives seconds; only differences count.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        voting: Voting,
        monitor: Monitor,
        version: str,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._memory = memory
        self._voting = voting
        self._monitor = monitor
        self._version = version
        self._clock = clock

    def __call__(
        self, collection: CollectionKey, regions: Sequence[RegionEmbeddings], options: RecognitionOptions
    ) -> Recalled:
        """Return the candidates of each region.

        Raises:
            InvalidInput: `options.min_memory_version` is no memory version.
            DeadlineExceeded: The time is up.
            Unavailable: The memory did not become as new as asked in time.
        """
        started = self._clock()
        view = self._memory.view(collection, at_least=options.min_memory_version)
        votes = votes_in_force(self._voting.votes, options.votes)
        found = self._search(view, _queries(regions, votes), options)
        stage = Stage(
            "retrieval",
            self._version,
            memory_version=view.version,
            duration_s=self._clock() - started,
            rungs=self._rungs(collection, regions, votes, found),
        )
        size = options.size or LIMITS.default_labels_per_region
        return Recalled(tuple(_pooled(region, found, votes, size=size) for region in regions), stage)

    def _search(
        self, view: MemoryView, queries: Sequence[Embedding], options: RecognitionOptions
    ) -> Mapping[Embedding, Found]:
        started = self._clock()
        scope = Scope(options.filter, frozenset(options.exclude_exemplar_ids))
        found = view.nearest(queries, most=self._voting.neighbours, scope=scope)
        self._monitor.searched(self._clock() - started)
        return dict(zip(queries, found, strict=True))

    def _rungs(
        self,
        collection: CollectionKey,
        regions: Sequence[RegionEmbeddings],
        votes: Sequence[SpaceVote],
        found: Mapping[Embedding, Found],
    ) -> tuple[str, ...]:
        """Return what was done instead, having told the monitor about vectors that were left out."""
        left_out = {query: each.left_out for query, each in found.items() if each.left_out}
        for query, count in left_out.items():
            self._monitor.left_out(collection, query, count)
        spaces = {vote.space for vote in votes}
        voteless = any(each.space not in spaces for region in regions for each in region.embeddings)
        rungs = {ENCODER_MISMATCH: bool(left_out), NO_VOTE: voteless}
        return tuple(rung for rung, taken in rungs.items() if taken)


def _queries(regions: Sequence[RegionEmbeddings], votes: Sequence[SpaceVote]) -> list[Embedding]:
    """Return the embeddings whose spaces have a say."""
    spaces = {vote.space for vote in votes if vote.weight > 0}
    return [each for region in regions for each in region.embeddings if each.space in spaces]


def _pooled(
    region: RegionEmbeddings, found: Mapping[Embedding, Found], votes: Sequence[SpaceVote], *, size: int
) -> Candidates:
    hits = {each.space: found[each].hits for each in region.embeddings if each in found}
    return pool(region.region_id, hits, votes, size=size)


@dataclass(frozen=True)
class Page:
    """Some exemplars in order of id; `next_token` is empty on the last page."""

    exemplars: tuple[Exemplar, ...]
    next_token: str
    memory_version: str


@dataclass(frozen=True)
class Listing:
    """Which exemplars to list: of one label, with one of these ids, that meet all conditions; empty: all."""

    label: str = ""
    conditions: tuple[Condition, ...] = ()
    ids: frozenset[str] = frozenset()

    def admits(self, exemplar: Exemplar) -> bool:
        """Say whether label and id are wanted; the conditions are a `Scope`'s to test."""
        return self.label in ("", exemplar.label) and (not self.ids or exemplar.exemplar_id in self.ids)


class ListExemplars:
    """Pages through a collection in order of id.

    What is written meanwhile shows up if its id is still to come; nothing shows up twice or is lost.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(
        self,
        collection: CollectionKey,
        wanted: Listing,
        *,
        page_size: int = 0,
        token: str = "",
        at_least: str = "",
    ) -> Page:
        """Return one page; `page_size` 0 takes the usual size. Raises as `Memory.view`, and InvalidInput."""
        size = _checked_size(page_size)
        after = id_of_token(token)
        view = self._memory.view(collection, at_least=at_least)
        scope = Scope(wanted.conditions)
        matching = (
            exemplar
            for exemplar in view.exemplars(after=after)
            if wanted.admits(exemplar) and scope.admits(exemplar)
        )
        some = tuple(islice(matching, size + 1))
        next_token = page_token(some[size - 1].exemplar_id) if len(some) > size else ""
        return Page(some[:size], next_token, view.version)


def _checked_size(page_size: int) -> int:
    if page_size > LIMITS.page_size:
        raise InvalidInput(
            f"page_size is {page_size}, at most {LIMITS.page_size} is allowed",
            field="page_size",
            reason="PAGE_TOO_LARGE",
        )
    return page_size or LIMITS.default_page_size


class ExportExemplars:
    """Gives every exemplar of a collection, with its embeddings, as it stood when the export began."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(self, collection: CollectionKey, *, at_least: str = "") -> Iterator[EncodedExemplar]:
        """Return them in order of id, one at a time. Raises as `Memory.view`."""
        return self._memory.view(collection, at_least=at_least).encoded()


@dataclass(frozen=True)
class LabelCounts:
    """How many exemplars each label has, in order of label."""

    exemplars: tuple[tuple[str, int], ...]
    memory_version: str


class ListLabels:
    """Counts what a collection was taught."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(self, collection: CollectionKey, *, at_least: str = "") -> LabelCounts:
        """Return the labels. Raises as `Memory.view`."""
        view = self._memory.view(collection, at_least=at_least)
        return LabelCounts(tuple(sorted(view.labels().items())), view.version)
