"""Recalling: from the regions of an image to candidates for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from services.kernel.limits import LIMITS
from services.kernel.rankings import Candidates
from services.kernel.vocabulary import (
    CollectionKey,
    Embedding,
    RecognitionOptions,
    RegionEmbeddings,
    SpaceVote,
    Stage,
)
from services.retrieval.domain import (
    NO_PARENTS,
    Hit,
    Parents,
    Scope,
    describe,
    pool,
    to_describe,
    votes_in_force,
)
from services.retrieval.ports import Found, Memory, Monitor, Search

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
        parents: Gives what the labels of a collection are kinds of.
        clock: Gives seconds; only differences count.
    """

    def __init__(  # noqa: PLR0913  (all but one by name)
        self,
        memory: Memory,
        *,
        voting: Voting,
        monitor: Monitor,
        version: str,
        parents: Callable[[CollectionKey], Parents] = lambda _: NO_PARENTS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._memory = memory
        self._voting = voting
        self._monitor = monitor
        self._version = version
        self._parents = parents
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
        votes = votes_in_force(self._voting.votes, options.votes)
        search = self._search(collection, _queries(regions, votes), options)
        found = dict(zip(search.queries, search.found, strict=True))
        stage = Stage(
            "retrieval",
            self._version,
            memory_version=search.view.version,
            duration_s=self._clock() - started,
            rungs=self._rungs(collection, regions, votes, found),
        )
        pooled = partial(
            pool,
            votes=votes,
            size=options.size or LIMITS.default_labels_per_region,
            per_label=options.neighbours_per_label,
            parents=self._parents(collection),
        )
        candidates = tuple(pooled(region.region_id, _hits(region, found)) for region in regions)
        return Recalled(_described(candidates, search), stage)

    def _search(
        self, collection: CollectionKey, queries: Sequence[Embedding], options: RecognitionOptions
    ) -> Search:
        view = self._memory.view(collection, at_least=options.min_memory_version)
        started = self._clock()
        scope = Scope(options.filter, frozenset(options.exclude_exemplar_ids))
        found = view.nearest(queries, most=self._voting.neighbours, scope=scope)
        search = Search(collection, view, queries, scope, self._voting.neighbours, found)
        self._monitor.searched(search, self._clock() - started)
        return search

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


def _described(candidates: tuple[Candidates, ...], search: Search) -> tuple[Candidates, ...]:
    """Return the candidates with what the memory says about how they look."""
    texts = search.view.described(
        to_describe(candidates), most=LIMITS.descriptions_per_label, scope=search.scope
    )
    return describe(candidates, texts) if texts else candidates


def _queries(regions: Sequence[RegionEmbeddings], votes: Sequence[SpaceVote]) -> list[Embedding]:
    """Return the embeddings whose spaces have a say."""
    spaces = {vote.space for vote in votes if vote.weight > 0}
    return [each for region in regions for each in region.embeddings if each.space in spaces]


def _hits(region: RegionEmbeddings, found: Mapping[Embedding, Found]) -> Mapping[str, Sequence[Hit]]:
    """Return what was found for a region in each space."""
    return {each.space: found[each].hits for each in region.embeddings if each in found}
