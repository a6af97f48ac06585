"""What holds exemplars, and is searched: a block of the buffer, or a segment with its dead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int32

from services.kernel.sharing import Lazy
from services.kernel.vocabulary import Condition, EncodedExemplar, Exemplar
from services.retrieval.adapters.memory.block import TableKey, TableView
from services.retrieval.adapters.memory.columns import hash_of
from services.retrieval.adapters.memory.remembering import remember
from services.retrieval.adapters.memory.segment import Segment
from services.retrieval.adapters.memory.table_index import Allowed
from services.retrieval.domain import Scope

_REMEMBERED: Final = 8  # scopes a segment


@runtime_checkable
class Holder(Protocol):
    """Exemplars by slot, some of them dead, as they stood at one moment."""

    @property
    def alive(self) -> Bool[np.ndarray, "slot"]:
        """Which are not dead."""
        ...

    @property
    def dead(self) -> int:
        """How many are."""
        ...

    @property
    def tables(self) -> Mapping[TableKey, TableView]:
        """The vectors."""
        ...

    @property
    def described(self) -> Mapping[str, Sequence[int]]:
        """Slots, of the dead too and maybe of later ones, of each label's attribute exemplars."""
        ...

    def exemplar(self, slot: int) -> Exemplar:
        """Return the exemplar of a slot."""
        ...

    def exemplars(self, slots: Sequence[int]) -> list[Exemplar]:
        """Return the exemplars of some slots."""
        ...

    def encoded(self, slot: int) -> EncodedExemplar:
        """Return the exemplar of a slot with its embeddings."""
        ...

    def holding(self, conditions: tuple[Condition, ...]) -> Bool[np.ndarray, "slot"]:
        """Return which slots, dead ones too, fulfil all conditions."""
        ...

    def find(self, exemplar_ids: Iterable[str]) -> Sequence[int]:
        """Return the slots that have one of these ids."""
        ...

    def after(self, last_id: str) -> Iterator[tuple[str, int, Any]]:
        """Yield id, slot and holder of the living whose id is greater, in order of id."""
        ...

    def labels(self) -> Mapping[str, int]:
        """Return how many of the living each label has."""
        ...


@dataclass(frozen=True, eq=False)
class SegmentView:
    """A segment, and which of its exemplars were alive at one moment."""

    segment: Segment
    alive: Bool[np.ndarray, "slot"]
    dead: int
    _allowed: dict[tuple[Condition, ...], Allowed] = field(default_factory=dict, repr=False)

    @property
    def living(self) -> int:
        """How many are not dead."""
        return len(self.alive) - self.dead

    @property
    def tables(self) -> Mapping[TableKey, TableView]:
        """The vectors."""
        return self.segment.tables

    @property
    def described(self) -> Mapping[str, Sequence[int]]:
        """Slots, of the dead too, of each label's attribute exemplars."""
        return self.segment.described

    def exemplar(self, slot: int) -> Exemplar:
        """Return the exemplar of a slot."""
        return self.segment.exemplar(slot)

    def exemplars(self, slots: Sequence[int]) -> list[Exemplar]:
        """Return the exemplars of some slots."""
        return self.segment.exemplars(slots)

    def encoded(self, slot: int) -> EncodedExemplar:
        """Return the exemplar of a slot with its embeddings."""
        return self.segment.encoded(slot)

    def holding(self, conditions: tuple[Condition, ...]) -> Bool[np.ndarray, "slot"]:
        """Return which slots fulfil all conditions."""
        return self.segment.holding(conditions)

    def find(self, exemplar_ids: Iterable[str]) -> Sequence[int]:
        """Return the slots that have one of these ids."""
        found = (self.segment.ids.find(each, hash_of(each)) for each in exemplar_ids)
        return [slot for slot in found if slot is not None]

    def after(self, last_id: str) -> Iterator[tuple[str, int, SegmentView]]:
        """Yield id, slot and itself for the living whose id is greater, in order of id."""
        names = self.segment.ids.names
        first = names.after(last_id)
        for slot in (first + np.flatnonzero(self.alive[first:])).tolist():
            yield names[slot], slot, self

    def labels(self) -> Mapping[str, int]:
        """Return how many of the living each label has."""
        return self._labels

    @Lazy
    def _labels(self) -> Mapping[str, int]:
        return self.segment.labels.count(self.alive)

    def without(self, slots: Sequence[int] | Int32[np.ndarray, "n"]) -> SegmentView:
        """Return it with more of its exemplars, which are alive, dead."""
        alive = self.alive.copy()
        alive[slots] = False
        return SegmentView(self.segment, alive, self.dead + len(slots))

    def allowed(self, conditions: tuple[Condition, ...]) -> Allowed:
        """Return the living that fulfil all conditions; remembered, for filters come again and again."""
        known = self._allowed.get(conditions)
        if known is None:
            slots = self.alive & self.holding(conditions) if conditions else self.alive
            known = Allowed(slots, int(np.count_nonzero(slots)))
            remember(self._allowed, conditions, known, most=_REMEMBERED)
        return known


def allowed_in(holder: Holder, scope: Scope) -> Allowed | None:
    """Return which slots of a holder may answer; None if all may."""
    if scope.is_open and not holder.dead:
        return None
    if isinstance(holder, SegmentView):
        allowed = holder.allowed(scope.conditions)
    else:
        slots = holder.alive & holder.holding(scope.conditions) if scope.conditions else holder.alive
        allowed = Allowed(slots, int(np.count_nonzero(slots)))
    excluded = holder.find(scope.excluded) if scope.excluded else ()
    if not excluded:
        return allowed
    slots = allowed.slots.copy()
    slots[excluded] = False
    return Allowed(slots, int(np.count_nonzero(slots)))


def spaces_in(holder: Holder) -> Mapping[frozenset[str], int]:
    """Return how many of the living have vectors in exactly these spaces, without a look at any of them."""
    names = sorted({key.space for key in holder.tables})
    having = np.zeros(len(holder.alive), np.int64)  # a bit a space
    for key, table in holder.tables.items():
        having[table.slots] |= 1 << names.index(key.space)
    kinds, counts = np.unique(having[holder.alive], return_counts=True)
    return {
        frozenset(name for bit, name in enumerate(names) if kind >> bit & 1): count
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True)
    }
