"""Looking at a memory space by space: who is in which, and which of two answers better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.kernel.errors import InvalidInput
from services.kernel.rankings import Candidates
from services.kernel.vocabulary import CollectionKey, Embedding, EncodedExemplar, Exemplar, SpaceVote
from services.retrieval.domain import Hit, Scope, pool
from services.retrieval.domain.spaces import (
    ComparisonPolicy,
    InSpaces,
    PairedShare,
    SpaceReport,
    is_among,
    matched_vote,
    sampled,
)
from services.retrieval.ports import Memory, MemoryView

_AT_ONCE: Final = 256  # queries of one search
_ALL: Final = Scope()


@dataclass(frozen=True)
class SpaceCounts:
    """How many exemplars have embeddings in exactly these spaces."""

    exemplars: Mapping[frozenset[str], int]
    memory_version: str


class CountSpaces:
    """Counts the exemplars of a collection by the spaces that they have embeddings in."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(self, collection: CollectionKey, *, at_least: str = "") -> SpaceCounts:
        """Return the counts. Raises as `Memory.view`."""
        view = self._memory.view(collection, at_least=at_least)
        return SpaceCounts(view.spaces(), view.version)


class CompareSpaces:
    """Asks a sample of a collection's exemplars, each with itself left out, in one space and in another.

    Args:
        memory: Where the exemplars are.
        neighbours: How many vote.
    """

    def __init__(self, memory: Memory, *, neighbours: int) -> None:
        self._memory = memory
        self._neighbours = neighbours

    def __call__(
        self,
        collection: CollectionKey,
        before: SpaceVote,
        after_space: str,
        policy: ComparisonPolicy,
        *,
        at_least: str = "",
    ) -> SpaceReport:
        """Return how the two answer. Raises as `Memory.view`, and InvalidInput if they are one."""
        if before.space == after_space:
            raise InvalidInput(f"{after_space} is compared with itself", field="after_space")
        view = self._memory.view(collection, at_least=at_least)
        asked = _asked(view, (before.space, after_space), policy)
        old = list(self._neighbours_of(view, before.space, asked))
        new = list(self._neighbours_of(view, after_space, asked))
        pairs = [(a[0].similarity, b[0].similarity) for a, b in zip(old, new, strict=True) if a and b]
        vote = matched_vote(
            before, after_space, before=[pair[0] for pair in pairs], after=[pair[1] for pair in pairs]
        )
        answers = [
            (each.exemplar, _pooled(was, before, policy), _pooled(becomes, vote, policy))
            for each, was, becomes in zip(asked, old, new, strict=True)
        ]
        return SpaceReport(
            view.version,
            len({each.exemplar.label for each in asked}),
            accuracy=_share(answers, 1),
            recall=_share(answers, policy.candidates),
            policy=policy,
            vote=vote,
        )

    def _neighbours_of(
        self, view: MemoryView, space: str, asked: Sequence[EncodedExemplar]
    ) -> Iterator[Sequence[Hit]]:
        """Yield the neighbours of each exemplar but itself, nearest first."""
        for start in range(0, len(asked), _AT_ONCE):
            some = asked[start : start + _AT_ONCE]
            queries = [_embedding(each, space) for each in some]
            for each, found in zip(
                some, view.nearest(queries, most=self._neighbours + 1, scope=_ALL), strict=True
            ):
                own_id = each.exemplar.exemplar_id
                hits = [hit for hit in found.hits if hit.exemplar.exemplar_id != own_id]
                yield hits[: self._neighbours]


def _asked(view: MemoryView, spaces: tuple[str, str], policy: ComparisonPolicy) -> Sequence[EncodedExemplar]:
    """Return a sample of the exemplars that are in both spaces."""
    both = InSpaces(having=frozenset(spaces))
    labelled = (
        (each.exemplar.exemplar_id, each.exemplar.label) for each in view.encoded() if both.admits(each)
    )
    ids = sampled(labelled, policy)
    found = view.find(ids)
    return [found[each] for each in ids]


def _embedding(encoded: EncodedExemplar, space: str) -> Embedding:
    return next(each for each in encoded.embeddings if each.space == space)


def _pooled(hits: Sequence[Hit], vote: SpaceVote, policy: ComparisonPolicy) -> Candidates:
    return pool("", {vote.space: hits}, (vote,), size=policy.candidates)


def _share(answers: Sequence[tuple[Exemplar, Candidates, Candidates]], first: int) -> PairedShare:
    return PairedShare.of(
        [is_among(asked.label, before, first) for asked, before, _ in answers],
        [is_among(asked.label, after, first) for asked, _, after in answers],
    )
