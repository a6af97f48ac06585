"""Looking at a memory exemplar by exemplar: hard negatives for training, an audit for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from services.kernel.vocabulary import CollectionKey, Embedding, EncodedExemplar, Exemplar
from services.retrieval.domain import Hit, Scope
from services.retrieval.domain.audit import RANKS, Audit, AuditPolicy, Finding, LabelCoverage, Summary
from services.retrieval.domain.mining import Mined, MiningPolicy, draw, rivals
from services.retrieval.ports import Memory, MemoryView

_AT_ONCE: Final = 256  # queries of one search
_ALL: Final = Scope()
_WIDEN: Final = 4
_FIRST_LOOK: Final = 32  # neighbours; most exemplars have enough wrong classes among them

_Enough = Callable[[Exemplar, Sequence[Hit]], bool]


class _Entry(NamedTuple):
    exemplar: Exemplar
    embedding: Embedding


class MineNegatives:
    """Gives every exemplar of a space its hard negatives."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(
        self, collection: CollectionKey, policy: MiningPolicy, *, at_least: str = ""
    ) -> Iterator[Mined]:
        """Return them in order of id, from one state of the memory. Raises as `Memory.view`."""
        view = self._memory.view(collection, at_least=at_least)
        return self._mined(view, policy)

    def _mined(self, view: MemoryView, policy: MiningPolicy) -> Iterator[Mined]:
        labels = {exemplar.label for exemplar, entry in _entries(view.encoded(), policy.space) if entry}

        def enough(exemplar: Exemplar, hits: Sequence[Hit]) -> bool:
            wrong = rivals(exemplar, hits)
            usable = sum(hit.similarity < policy.below for hit in wrong)
            return usable >= policy.among or len(wrong) >= len(labels) - 1

        entries = (entry for _, entry in _entries(view.encoded(), policy.space) if entry)
        for exemplar, hits in _neighbours(view, entries, enough):
            yield draw(exemplar, rivals(exemplar, hits, below=policy.below), policy)


class AuditMemory:
    """Says what is wrong with a memory, and how well it covers its classes."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(
        self, collection: CollectionKey, policy: AuditPolicy, *, at_least: str = ""
    ) -> Iterator[Finding | LabelCoverage | Summary]:
        """Return findings as they are made, then every label, then a summary. Raises as `Memory.view`."""
        view = self._memory.view(collection, at_least=at_least)
        return self._audited(view, policy)

    def _audited(self, view: MemoryView, policy: AuditPolicy) -> Iterator[Finding | LabelCoverage | Summary]:
        audit = Audit(policy)

        def enough(exemplar: Exemplar, hits: Sequence[Hit]) -> bool:
            labels = {hit.exemplar.label for hit in hits}
            ranked = exemplar.label in labels or len(labels) >= max(RANKS)
            doubles_end = hits[-1].similarity < policy.duplicate if hits else True
            return len(hits) >= policy.neighbours and ranked and doubles_end

        def counted() -> Iterator[_Entry]:
            for exemplar, entry in _entries(view.encoded(), policy.space):
                audit.count(exemplar)
                if entry:
                    yield entry

        for exemplar, hits in _neighbours(view, counted(), enough):
            yield from audit.look_at(exemplar, hits)
        yield from audit.outliers()
        yield from audit.coverage()
        yield audit.summary(view.version)


def _entries(encoded: Iterable[EncodedExemplar], space: str) -> Iterator[tuple[Exemplar, _Entry | None]]:
    """Yield each exemplar, with its embedding if it has one in the space."""
    for each in encoded:
        found = next((one for one in each.embeddings if one.space == space), None)
        yield each.exemplar, None if found is None else _Entry(each.exemplar, found)


def _neighbours(
    view: MemoryView, entries: Iterator[_Entry], enough: _Enough
) -> Iterator[tuple[Exemplar, Sequence[Hit]]]:
    """Yield each exemplar with its neighbours, nearest first, without itself, in the order they came in.

    Few are asked for at first, and more for those that have not `enough`, until the memory has no more.
    """
    while some := list(islice(entries, _AT_ONCE)):
        found: dict[int, Sequence[Hit]] = {}
        waiting, most = list(range(len(some))), _FIRST_LOOK
        while waiting:
            answers = view.nearest([some[i].embedding for i in waiting], most=most, scope=_ALL)
            for i, answer in zip(waiting, answers, strict=True):
                found[i] = _without(some[i].exemplar, answer.hits)
                exhausted = len(answer.hits) < most
                if exhausted or enough(some[i].exemplar, found[i]):
                    continue
                del found[i]
            waiting, most = [i for i in waiting if i not in found], most * _WIDEN
        for i, entry in enumerate(some):
            yield entry.exemplar, found[i]


def _without(exemplar: Exemplar, hits: Sequence[Hit]) -> Sequence[Hit]:
    return [hit for hit in hits if hit.exemplar.exemplar_id != exemplar.exemplar_id]
