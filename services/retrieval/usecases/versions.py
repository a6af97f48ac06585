"""Keeping states of a memory, and comparing them by what they answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from services.kernel.errors import InvalidInput, NotFound
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    CollectionKey,
    Embedding,
    EncodedExemplar,
    RecognitionOptions,
    SpaceVote,
)
from services.retrieval.domain import Hit, Scope, pool, votes_in_force
from services.retrieval.domain.comparing import Answer, Changed, Comparison, ComparisonSummary
from services.retrieval.domain.sampling import few_shot
from services.retrieval.domain.versions import (
    Drop,
    Edit,
    Query,
    QuerySet,
    Restore,
    StateName,
    VersionInfo,
    difference,
    listed,
    require_editable,
)
from services.retrieval.ports import Found, Memory, MemoryView, QuerySets, Versions
from services.retrieval.usecases.overlay import Answering, Overlay
from services.retrieval.usecases.recall import Voting

_AT_ONCE: Final = 256  # queries of one search
_ALL: Final = Scope()


class KeepVersion:
    """Keeps the memory as it stands under a name."""

    def __init__(self, memory: Memory, versions: Versions) -> None:
        self._memory = memory
        self._versions = versions

    def __call__(
        self, collection: CollectionKey, *, name: str, description: str, at_least: str = ""
    ) -> VersionInfo:
        """Return what is kept now. Raises as `Memory.view` and `Versions.keep`."""
        self._memory.view(collection, at_least=at_least)
        return self._versions.keep(collection, name=name, description=description)


class States:
    """Finds a state of a memory by its name."""

    def __init__(self, memory: Memory, versions: Versions) -> None:
        self._memory = memory
        self._versions = versions

    def __call__(self, collection: CollectionKey, state: StateName, *, at_least: str = "") -> Answering:
        """Return it. Raises as `Memory.view` and `Versions.view`; InvalidInput, NotFound for the edits."""
        if state.version:
            return self._versions.view(collection, state.version)
        view = self._memory.view(collection, at_least=at_least)
        return Overlay(view, _changed(view, state.edits)) if state.edits else view


def _changed(view: MemoryView, edits: Sequence[Edit]) -> Mapping[str, EncodedExemplar | None]:
    """Return each edited exemplar as it is to be; None if it is to be forgotten."""
    found = view.find([edit.exemplar_id for edit in edits])
    require_editable(edits, found.keys())
    return {
        edit.exemplar_id: _relabelled(found[edit.exemplar_id], edit.label) if edit.label else None
        for edit in edits
    }


def _relabelled(encoded: EncodedExemplar, label: str) -> EncodedExemplar:
    return replace(encoded, exemplar=replace(encoded.exemplar, label=label))


@dataclass(frozen=True)
class Wanted:
    """What a query set is to be made of: all of it becomes one set.

    Args:
        per_label: Exemplars drawn of every label; 0: none.
        seed: Of the drawing.
        exemplar_ids: Exemplars that were chosen.
        queries: What does not come from the memory.
    """

    per_label: int = 0
    seed: int = 0
    exemplar_ids: tuple[str, ...] = ()
    queries: tuple[Query, ...] = ()


class KeepQueries:
    """Keeps questions under a name: exemplars, drawn or chosen, and what else is given."""

    def __init__(
        self, memory: Memory, query_sets: QuerySets, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._memory = memory
        self._query_sets = query_sets
        self._clock = clock

    def __call__(
        self, collection: CollectionKey, wanted: Wanted, *, name: str, description: str, at_least: str = ""
    ) -> QuerySet:
        """Return what is kept now.

        Raises:
            InvalidInput: It would be empty or too large, a label has too few exemplars, or an id comes twice.
            NotFound: There is no such exemplar.
            Conflict, Unavailable: The name is taken; the store is not to be had.
        """
        view = self._memory.view(collection, at_least=at_least)
        queries = (*_of_exemplars(view, wanted), *wanted.queries)
        _require_usable(queries)
        kept = QuerySet(name, description, self._clock(), queries, view.version)
        self._query_sets.keep(collection, kept)
        return kept


def _of_exemplars(view: MemoryView, wanted: Wanted) -> Iterator[Query]:
    """Yield a question for each exemplar, which it may not answer itself; its label is the right one."""
    ids = list(wanted.exemplar_ids)
    if wanted.per_label:
        labelled = ((each.exemplar_id, each.label) for each in view.exemplars())
        ids += few_shot(labelled, per_label=wanted.per_label, seed=wanted.seed)
    ids = list(dict.fromkeys(ids))
    found = view.find(ids)
    if missing := [each for each in ids if each not in found]:
        raise NotFound(
            f"there is no exemplar {listed(missing)}", field="exemplar_ids", reason="EXEMPLAR_UNKNOWN"
        )
    for exemplar_id in ids:
        encoded = found[exemplar_id]
        yield Query(exemplar_id, encoded.embeddings, encoded.exemplar.label, exemplar_id)


def _require_usable(queries: Sequence[Query]) -> None:
    if not queries:
        raise InvalidInput(
            "a query set needs a sample, exemplars or recognitions", field="sample", reason="QUERIES_MISSING"
        )
    if len(queries) > LIMITS.queries_per_set:
        raise InvalidInput(
            f"a query set of {len(queries)} is too large, at most {LIMITS.queries_per_set} are allowed",
            field="sample.per_label",
            reason="TOO_MANY_QUERIES",
        )
    if len({query.query_id for query in queries}) < len(queries):
        raise InvalidInput("a query comes twice", field="recognitions", reason="QUERY_REPEATED")


class CompareStates:
    """Asks two states of a memory the same questions.

    Args:
        states: Finds them.
        query_sets: Has the questions.
        voting: What applies where the options say nothing.
    """

    def __init__(self, states: States, query_sets: QuerySets, *, voting: Voting) -> None:
        self._states = states
        self._query_sets = query_sets
        self._voting = voting

    def __call__(
        self,
        collection: CollectionKey,
        states: tuple[StateName, StateName],
        *,
        queries: str,
        options: RecognitionOptions,
    ) -> Iterator[Changed | ComparisonSummary]:
        """Return the answers that differ from the first state to the second, then a summary.

        Raises as `States` and `QuerySets.get`.
        """
        asked = self._query_sets.get(collection, queries)
        at_least = options.min_memory_version
        before, after = (self._states(collection, state, at_least=at_least) for state in states)
        return self._compared((before, after), asked, options)

    def _compared(
        self, views: tuple[Answering, Answering], asked: QuerySet, options: RecognitionOptions
    ) -> Iterator[Changed | ComparisonSummary]:
        comparison = Comparison()
        left = iter(asked.queries)
        while some := list(islice(left, _AT_ONCE)):
            before, after = (self._answers(view, some, options) for view in views)
            for query, was, is_now in zip(some, before, after, strict=True):
                if changed := comparison.take(query.query_id, query.right_label, was, is_now):
                    yield changed
        yield comparison.summary(*(view.version for view in views))

    def _answers(
        self, view: Answering, queries: Sequence[Query], options: RecognitionOptions
    ) -> list[Answer]:
        votes = votes_in_force(self._voting.votes, options.votes)
        found = _found(view, queries, votes, most=self._voting.neighbours)
        threshold = 1.0 if options.unknown_threshold is None else options.unknown_threshold
        return [
            Answer.of(
                pool(
                    query.query_id,
                    _hits(query, found, most=self._voting.neighbours),
                    votes,
                    size=1,
                    per_label=options.neighbours_per_label,
                ),
                unknown_threshold=threshold,
            )
            for query in queries
        ]


def _found(
    view: Answering, queries: Sequence[Query], votes: Sequence[SpaceVote], *, most: int
) -> Mapping[Embedding, Found]:
    """Return the neighbours of each embedding that has a say: one more, for its own exemplar is left out."""
    spaces = {vote.space for vote in votes if vote.weight > 0}
    embeddings = [each for query in queries for each in query.embeddings if each.space in spaces]
    return dict(zip(embeddings, view.nearest(embeddings, most=most + 1, scope=_ALL), strict=True))


def _hits(query: Query, found: Mapping[Embedding, Found], *, most: int) -> dict[str, list[Hit]]:
    return {
        each.space: [hit for hit in found[each].hits if hit.exemplar.exemplar_id != query.exemplar_id][:most]
        for each in query.embeddings
        if each in found
    }


@dataclass(frozen=True)
class Difference:
    """What makes the memory another state of it, and the memory version that the other state is of."""

    memory_version: str
    changes: Iterator[Restore | Drop]


class FindDifference:
    """Says what has to be done to the memory to make it another state of it."""

    def __init__(self, memory: Memory, versions: Versions) -> None:
        self._memory = memory
        self._versions = versions

    def __call__(self, collection: CollectionKey, to: StateName, *, at_least: str = "") -> Difference:
        """Return it, in order of id. Raises as `States`."""
        now = self._memory.view(collection, at_least=at_least)
        if to.version:
            then = self._versions.view(collection, to.version)
            ours, theirs = (view.encoded() for view in self._versions.unshared(now, then))
            return Difference(then.version, difference(ours, theirs))
        changed = _changed(now, to.edits)
        kept = now.find(changed)
        before = (kept[exemplar_id] for exemplar_id in sorted(changed))
        after = (encoded for _, encoded in sorted(changed.items()) if encoded)
        return Difference(now.version, difference(before, after))
