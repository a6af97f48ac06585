"""What a collection was taught about how its labels look: texts of attribute exemplars, by label."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import nsmallest

from services.kernel.vocabulary import Exemplar
from services.retrieval.adapters.memory.holders import Holder
from services.retrieval.domain import Scope


def described(
    holders: Sequence[Holder], labels: Collection[str], *, most: int, scope: Scope
) -> Mapping[str, tuple[str, ...]]:
    """Return the texts of each label that has some, the first by id that may answer."""
    having = [holder for holder in holders if holder.described]
    found: dict[str, tuple[str, ...]] = {}
    for label in labels if having else ():
        first = nsmallest(most, _of_label(having, label, most, scope))
        if first:
            found[label] = tuple(text for _, text in first)
    return found


def _of_label(holders: Sequence[Holder], label: str, most: int, scope: Scope) -> Iterator[tuple[str, str]]:
    """Yield id and text; of each holder as many as there are wanted in all."""
    for holder in holders:
        admitted = (each for each in _living(holder, label) if scope.admits(each))
        yield from nsmallest(most, ((each.exemplar_id, each.text) for each in admitted))


def _living(holder: Holder, label: str) -> Iterator[Exemplar]:
    seen = len(holder.alive)
    for slot in holder.described.get(label, ()):
        if slot < seen and holder.alive[slot]:
            yield holder.exemplar(slot)
