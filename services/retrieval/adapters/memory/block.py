"""A few thousand exemplars in arrays: appended to by one writer, read through views that never change.

A view holds slices that end where the writer stood. The writer fills rows beyond every view's end, and
copies what it must change (the marks of the dead), so readers need no lock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32

from services.kernel.sharing import Lazy
from services.kernel.vocabulary import Condition, Embedding, EncodedExemplar, Exemplar, ExemplarKind
from services.retrieval.domain import Scope

SLOTS: Final = 2048
"""Exemplars of one block: large enough for fast matrix products, small enough to rebuild in passing."""
_FIRST_ROWS: Final = 8
_FEW: Final = 64  # exemplars whose waste is not worth the move
_REMEMBERED: Final = 16  # sets of conditions


class TableKey(NamedTuple):
    """Whose vectors a table holds."""

    space: str
    encoder: str
    dim: int

    @classmethod
    def of(cls, embedding: Embedding) -> TableKey:
        """Return the table that an embedding belongs to."""
        return cls(embedding.space, embedding.encoder, embedding.vector.shape[0])


@dataclass(frozen=True, eq=False)
class TableView:
    """Vectors, and for each the slot of its exemplar, rising."""

    rows: Float32[np.ndarray, "n dim"]
    slots: Int32[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class BlockView:
    """A block as it stood at one moment."""

    alive: Bool[np.ndarray, "slot"]
    tables: Mapping[TableKey, TableView]
    dead: int
    described: Mapping[str, Sequence[int]]  # shared with the writer, who only appends
    _exemplars: list[Exemplar] = field(repr=False)  # likewise
    _holding: _Holding = field(repr=False)  # likewise

    def holding(self, conditions: tuple[Condition, ...]) -> Bool[np.ndarray, "slot"]:
        """Return which slots, dead ones too, fulfil all conditions."""
        return self._holding.first(len(self.alive), conditions, self._exemplars)

    def find(self, exemplar_ids: Iterable[str]) -> list[int]:
        """Return the slots, of the living, that have one of these ids."""
        names, slots = self._order
        places = ((name, bisect_left(names, name)) for name in exemplar_ids)
        return [slots[place] for name, place in places if place < len(names) and names[place] == name]

    def exemplar(self, slot: int) -> Exemplar:
        """Return the exemplar of a slot."""
        return self._exemplars[slot]

    def exemplars(self, slots: Sequence[int]) -> list[Exemplar]:
        """Return the exemplars of some slots."""
        return [self._exemplars[slot] for slot in slots]

    def encoded(self, slot: int) -> EncodedExemplar:
        """Return the exemplar of a slot with its embeddings, which share the block's memory."""
        embeddings = []
        for key, table in self.tables.items():
            row = int(np.searchsorted(table.slots, slot))
            if row < len(table.slots) and table.slots[row] == slot:
                embeddings.append(Embedding(table.rows[row], key.encoder, key.space))
        return EncodedExemplar(self._exemplars[slot], tuple(embeddings))

    @Lazy
    def _order(self) -> tuple[list[str], list[int]]:
        """Ids in order, and the slot of each."""
        living = np.flatnonzero(self.alive).tolist()
        ordered = sorted((self._exemplars[slot].exemplar_id, slot) for slot in living)
        return [name for name, _ in ordered], [slot for _, slot in ordered]

    def after(self, last_id: str) -> Iterator[tuple[str, int, BlockView]]:
        """Yield id and slot of the living whose id is greater, in order of id."""
        names, slots = self._order
        for index in range(bisect_right(names, last_id), len(names)):
            yield names[index], slots[index], self

    def labels(self) -> Mapping[str, int]:
        """Return how many of the living each label has."""
        return Counter(self._exemplars[slot].label for slot in np.flatnonzero(self.alive).tolist())


class _Holding:
    """Remembers which exemplars fulfil some conditions: a slot keeps its exemplar, so each is asked once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Condition, ...], Bool[np.ndarray, "slot"]] = {}

    def first(
        self, slots: int, conditions: tuple[Condition, ...], exemplars: Sequence[Exemplar]
    ) -> Bool[np.ndarray, "slot"]:
        """Return it for the first so many slots. For many threads: at worst two ask the same."""
        known = self._known.get(conditions, np.zeros(0, np.bool_))
        if len(known) < slots:
            scope = Scope(conditions)
            new = [scope.admits(each) for each in exemplars[len(known) : slots]]
            known = np.concatenate([known, np.array(new, np.bool_)])
            if len(self._known) >= _REMEMBERED:
                self._known = {}
            self._known[conditions] = known
        return known[:slots]


class _Table:
    """The writer's side of a table: rows in an array that doubles, never changed once a view shows them."""

    def __init__(self, dim: int) -> None:
        self._rows = np.empty((_FIRST_ROWS, dim), np.float32)
        self._slots = np.empty(_FIRST_ROWS, np.int32)
        self._count = 0

    def append(self, vector: Float32[np.ndarray, "dim"], slot: int) -> None:
        if self._count == len(self._slots):
            self._grow()
        self._rows[self._count] = vector
        self._slots[self._count] = slot
        self._count += 1

    def _grow(self) -> None:
        capacity = min(2 * self._count, SLOTS)
        rows = np.empty((capacity, self._rows.shape[1]), np.float32)
        slots = np.empty(capacity, np.int32)
        rows[: self._count] = self._rows
        slots[: self._count] = self._slots
        self._rows, self._slots = rows, slots

    @property
    def size_bytes(self) -> int:
        return self._rows.nbytes

    def view(self) -> TableView:
        return TableView(self._rows[: self._count], self._slots[: self._count])


class Block:
    """The writer's side of a block. Not thread-safe; its views are."""

    def __init__(self) -> None:
        self._exemplars: list[Exemplar] = []
        self._alive = np.ones(SLOTS, np.bool_)
        self._dead = 0
        self._tables: dict[TableKey, _Table] = {}
        self._described: dict[str, list[int]] = {}
        self._holding = _Holding()
        self._view: BlockView | None = None

    @property
    def is_full(self) -> bool:
        """Whether no exemplar can be appended."""
        return len(self._exemplars) == SLOTS

    @property
    def is_wasteful(self) -> bool:
        """Whether half of it or more is dead: then its living should move."""
        return len(self._exemplars) >= _FEW and 2 * self._dead >= len(self._exemplars)

    @property
    def size_bytes(self) -> int:
        """How much memory its vectors take."""
        return sum(table.size_bytes for table in self._tables.values())

    def append(self, encoded: EncodedExemplar) -> int:
        """Add an exemplar and return its slot."""
        slot = len(self._exemplars)
        for embedding in {TableKey.of(each): each for each in encoded.embeddings}.values():
            self._table(TableKey.of(embedding)).append(embedding.vector, slot)
        self._exemplars.append(encoded.exemplar)
        if encoded.exemplar.kind is ExemplarKind.ATTRIBUTE:
            self._described.setdefault(encoded.exemplar.label, []).append(slot)
        self._view = None
        return slot

    def bury(self, slot: int) -> Exemplar:
        """Mark an exemplar as dead in all views to come, and return it."""
        self._alive = self._alive.copy()
        self._alive[slot] = False
        self._dead += 1
        self._view = None
        return self._exemplars[slot]

    def view(self) -> BlockView:
        """Return the block as it stands."""
        if self._view is None:
            tables = {key: table.view() for key, table in self._tables.items()}
            alive = self._alive[: len(self._exemplars)]
            self._view = BlockView(alive, tables, self._dead, self._described, self._exemplars, self._holding)
        return self._view

    def _table(self, key: TableKey) -> _Table:
        if key not in self._tables:
            self._tables[key] = _Table(key.dim)
        return self._tables[key]
