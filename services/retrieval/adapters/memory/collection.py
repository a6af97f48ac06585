"""The writer's side of one collection: a buffer in blocks, blocks that are being written, and segments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from services.kernel.vocabulary import EncodedExemplar
from services.retrieval.adapters.memory.block import Block, BlockView
from services.retrieval.adapters.memory.columns import hash_of
from services.retrieval.adapters.memory.holders import Holder, SegmentView
from services.retrieval.adapters.memory.segment import Segment


@dataclass(frozen=True, eq=False)
class Draft:
    """A collection at the moment at which its buffer was closed, to be written as a segment.

    Attributes:
        blocks: What was in the buffer then; views, so they stay as they were.
        segments: What was in segments then.
    """

    blocks: tuple[BlockView, ...]
    segments: tuple[SegmentView, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return all(block.dead == len(block.alive) for block in self.blocks)


class Collection:
    """Not thread-safe: whoever calls holds the lock of all writing."""

    def __init__(self, items: Counter[str]) -> None:
        self._items = items  # of all collections, by space
        self._blocks: list[Block] = []
        self._closed: list[Block] = []  # being written
        self._places: dict[str, tuple[Block, int]] = {}  # of what is in blocks
        self.segments: tuple[SegmentView, ...] = ()

    @property
    def buffered(self) -> int:
        """How many exemplars are in blocks, dead ones not counted."""
        return len(self._places)

    @property
    def buffered_bytes(self) -> int:
        """How much memory the vectors in blocks take."""
        return sum(block.size_bytes for block in (*self._closed, *self._blocks))

    def holders(self) -> tuple[Holder, ...]:
        """Return everything that is to be searched."""
        return (*self.segments, *(block.view() for block in (*self._closed, *self._blocks)))

    def apply(self, exemplar_id: str, encoded: EncodedExemplar | None) -> None:
        """Remember an exemplar, or forget it."""
        old = self._places.pop(exemplar_id, None)
        if old is not None:
            self._bury(*old)
        elif self.segments:
            self._bury_in_segments(exemplar_id)
        if encoded is not None:
            self._append(exemplar_id, encoded)
            self._items.update({embedding.space for embedding in encoded.embeddings})

    def close_buffer(self) -> Draft:
        """Begin a new buffer and return what is to be written; what failed to be written is in it again."""
        self._closed += self._blocks
        self._blocks = []
        return Draft(tuple(block.view() for block in self._closed), self.segments)

    def sealed(self, draft: Draft, segment: Segment | None) -> None:
        """Put a segment in place of the blocks that were written to it."""
        gone: list[str] = []
        for before, block in zip(draft.blocks, self._closed, strict=True):
            now = block.view()
            for slot in np.flatnonzero(before.alive).tolist():
                exemplar_id = before.exemplar(slot).exemplar_id
                if now.alive[slot]:
                    del self._places[exemplar_id]
                else:
                    gone.append(exemplar_id)
        self._closed = []
        if segment is not None:
            self._add(segment, gone)

    def replace(self, merged: Sequence[SegmentView], segment: Segment | None) -> None:
        """Put a segment in place of those that were written to it, as they were then."""
        gone: list[str] = []
        now = {view.segment: view for view in self.segments}
        for before in merged:
            died = before.alive & ~now.pop(before.segment).alive
            gone.extend(before.segment.ids.names[slot] for slot in np.flatnonzero(died).tolist())
        self.segments = tuple(now.values())
        if segment is not None:
            self._add(segment, gone)

    def restore(self, segments: Iterable[SegmentView]) -> None:
        """Begin with these segments."""
        self.segments = tuple(segments)
        for view in self.segments:
            self._items.update(_spaces(view))

    def _add(self, segment: Segment, gone: Sequence[str]) -> None:
        """Add a segment, in which some that died meanwhile are dead."""
        dead = [segment.ids.find(each, hash_of(each)) for each in gone]
        view = SegmentView(segment, np.ones(segment.rows, np.bool_), 0)
        if dead:
            view = view.without([slot for slot in dead if slot is not None])
        # What has the same digest held the same exemplars, so all of its own are dead.
        others = (each for each in self.segments if each.segment.folder != segment.folder)
        self.segments = (*others, view)

    def _bury(self, block: Block, slot: int) -> None:
        self._items.subtract({each.space for each in block.view().encoded(slot).embeddings})
        block.bury(slot)
        if block.is_wasteful and block in self._blocks:
            self._blocks.remove(block)
            for exemplar_id, living, view in block.view().after(""):
                self._append(exemplar_id, view.encoded(living))

    def _bury_in_segments(self, exemplar_id: str) -> None:
        hashed = hash_of(exemplar_id)
        for place, view in enumerate(self.segments):
            slot = view.segment.ids.find(exemplar_id, hashed)
            if slot is not None and view.alive[slot]:
                self._items.subtract({each.space for each in view.encoded(slot).embeddings})
                self.segments = (*self.segments[:place], view.without([slot]), *self.segments[place + 1 :])
                return

    def _append(self, exemplar_id: str, encoded: EncodedExemplar) -> None:
        if not self._blocks or self._blocks[-1].is_full:
            self._blocks.append(Block())
        block = self._blocks[-1]
        self._places[exemplar_id] = (block, block.append(encoded))


def _spaces(view: SegmentView) -> Counter[str]:
    """Return how many of the living have a vector of each space."""
    counts: Counter[str] = Counter()
    for space in {key.space for key in view.tables}:
        having = np.zeros(len(view.alive), np.bool_)
        for key, table in view.tables.items():
            if key.space == space:
                having[table.slots] = True
        counts[space] = int(np.count_nonzero(having & view.alive))
    return counts
