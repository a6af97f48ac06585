"""The memory in arrays of this process: exact, for as many exemplars as fit.

One thread writes. What readers see are views that never change: a reader takes one and is not disturbed,
however long it looks, and never sees half a batch of changes.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from services.kernel.vocabulary import CollectionKey, Embedding, EncodedExemplar, Exemplar
from services.retrieval.adapters.memory.block import Block, BlockView
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.numpy_search import search
from services.retrieval.domain import Scope
from services.retrieval.ports import Found
from services.runtime import deadline, memory_version

_CHECK_EVERY: Final = 1024


@dataclass(frozen=True, eq=False)
class NumpyView:
    """One collection as it stood at one moment."""

    offsets: Mapping[int, int]
    blocks: tuple[BlockView, ...] = ()

    @property
    def version(self) -> str:
        """The memory version of that moment."""
        return memory_version.encode(self.offsets)

    def nearest(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        """Return for each query its nearest exemplars."""
        return search(self.blocks, queries, most=most, scope=scope)

    def exemplars(self, *, after: str = "") -> Iterator[Exemplar]:
        """Yield the exemplars whose id is greater, in order of id."""
        return (block.exemplar(slot) for slot, block in self._slots(after))

    def encoded(self) -> Iterator[EncodedExemplar]:
        """Yield all exemplars with their embeddings, in order of id."""
        return (block.encoded(slot) for slot, block in self._slots(""))

    def labels(self) -> Mapping[str, int]:
        """Return how many exemplars each label has."""
        return self._labels

    @cached_property
    def _labels(self) -> Mapping[str, int]:
        return sum((Counter(block.labels()) for block in self.blocks), Counter())

    def _slots(self, after: str) -> Iterator[tuple[int, BlockView]]:
        # An id lives in one block at most, so blocks are never compared.
        merged = heapq.merge(*(block.after(after) for block in self.blocks))
        for count, (_, slot, block) in enumerate(merged):
            if count % _CHECK_EVERY == 0:
                deadline.check()
            yield slot, block


class _Collection:
    """The writer's side of one collection."""

    def __init__(self, items: Counter[str]) -> None:
        self._blocks: list[Block] = []
        self._places: dict[str, tuple[Block, int]] = {}
        self._items = items  # of all collections

    def apply(self, exemplar_id: str, encoded: EncodedExemplar | None) -> None:
        old = self._places.pop(exemplar_id, None)
        if old is not None:
            self._bury(*old)
        if encoded is not None:
            self._append(exemplar_id, encoded)
            self._items.update(_spaces(encoded))

    def _bury(self, block: Block, slot: int) -> None:
        self._items.subtract(_spaces(block.view().encoded(slot)))
        block.bury(slot)
        if block.is_wasteful:
            self._move_living_of(block)

    def _append(self, exemplar_id: str, encoded: EncodedExemplar) -> None:
        if not self._blocks or self._blocks[-1].is_full:
            self._blocks.append(Block())
        block = self._blocks[-1]
        self._places[exemplar_id] = (block, block.append(encoded))

    def _move_living_of(self, block: Block) -> None:
        self._blocks.remove(block)
        for exemplar_id, slot, view in block.view().after(""):
            self._append(exemplar_id, view.encoded(slot))

    def blocks(self) -> tuple[BlockView, ...]:
        return tuple(block.view() for block in self._blocks)


def _spaces(encoded: EncodedExemplar) -> set[str]:
    return {embedding.space for embedding in encoded.embeddings}


class NumpyIndex:
    """Every collection's exemplars in arrays; `apply` for one thread, `view` for many."""

    def __init__(self) -> None:
        self._writers: dict[CollectionKey, _Collection] = {}
        self._items: Counter[str] = Counter()
        self._writing = threading.Lock()
        self._publishing = threading.Lock()  # held for as long as two references are set, or read
        self._blocks: dict[CollectionKey, tuple[BlockView, ...]] = {}
        self._offsets: Mapping[int, int] = {}

    def apply(self, changes: Sequence[Change], offsets: Mapping[int, int]) -> None:
        """Make all changes visible at once; `offsets` is how far each partition has then been read."""
        with self._writing:
            for change in changes:
                if change.collection not in self._writers:
                    self._writers[change.collection] = _Collection(self._items)
                self._writers[change.collection].apply(change.exemplar_id, change.encoded)
            touched = {change.collection for change in changes}
            blocks = {key: self._writers[key].blocks() for key in touched}
            newer = {**self._offsets, **offsets}
            with self._publishing:
                self._blocks.update(blocks)
                self._offsets = newer

    def items(self) -> Mapping[str, int]:
        """Return how many exemplars each space has, or had, all collections together."""
        with self._writing:
            return dict(self._items)

    def view(self, collection: CollectionKey) -> NumpyView:
        """Return the collection as it stands; empty if nothing was ever taught."""
        with self._publishing:
            return NumpyView(self._offsets, self._blocks.get(collection, ()))


__all__ = ["Change", "NumpyIndex", "NumpyView"]
