"""Every collection's exemplars: a write buffer that is searched exactly, and segments on disk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from services.kernel.errors import Corrupt, Unavailable
from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.memory import sources
from services.retrieval.adapters.memory.block import TableKey
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.collection import Collection, Draft
from services.retrieval.adapters.memory.holders import Holder, SegmentView
from services.retrieval.adapters.memory.manifest import TableSize
from services.retrieval.adapters.memory.merging import Size, to_merge
from services.retrieval.adapters.memory.parameters import IndexParameters, Parameters
from services.retrieval.adapters.memory.rabitq import build_index, open_index
from services.retrieval.adapters.memory.segment import Segment
from services.retrieval.adapters.memory.segment_writer import write_segment
from services.retrieval.adapters.memory.state import SegmentState, State
from services.retrieval.adapters.memory.view import SegmentedView

_LOOK_EVERY: Final = 256  # changes, between looks at how full the buffer is


@dataclass(frozen=True)
class Statistics:
    """What operators want to know: counts over all collections."""

    buffered: int = 0
    segments: int = 0
    rows: int = 0
    dead: int = 0
    indexed: Mapping[str, int] = field(default_factory=dict)
    """How many vectors each kind of index covers."""


class SegmentedIndex:
    """`apply` for one thread, `restore`, `flush` and `maintain` for one other, `view` for many.

    Args:
        folder: Where segments are written, each as `<digest>/`. Temporary names begin with a dot.
            Nothing here is ever deleted: that is for who knows which states are still needed.
            (On Linux a segment that is being searched stays readable when its folder is removed.)
        parameters: When what is done.
    """

    def __init__(self, folder: Path, parameters: Parameters | None = None) -> None:
        self._folder = folder
        self._parameters = parameters or Parameters()
        self._collections: dict[CollectionKey, Collection] = {}
        self._items: Counter[str] = Counter()
        self._writing = threading.Lock()
        self._publishing = threading.Lock()  # held for as long as two references are set, or read
        self._holders: dict[CollectionKey, tuple[Holder, ...]] = {}
        self._offsets: Mapping[int, int] = {}
        self._stopped = threading.Event()
        self._looked_in = 0  # changes until the buffer's size is looked at
        self._unclean: set[Path] = set()  # segments that are to be written anew without their dead

    def apply(self, changes: Sequence[Change], offsets: Mapping[int, int]) -> None:
        """Make all changes visible at once; `offsets` is how far each partition has then been read.

        Raises:
            Unavailable: The buffer is full, because segments cannot be written (fast enough); nothing
                was applied, and the same call will do once they can.
        """
        with self._writing:
            self._refuse_if_full(len(changes))
            for change in changes:
                self._of(change.collection).apply(change.exemplar_id, change.encoded)
            self._publish({change.collection for change in changes}, offsets)

    def view(self, collection: CollectionKey) -> SegmentedView:
        """Return the collection as it stands; empty if nothing was ever taught."""
        with self._publishing:
            return SegmentedView(self._offsets, self._holders.get(collection, ()))

    def items(self) -> Mapping[str, int]:
        """Return how many exemplars each space has, or had, all collections together."""
        with self._writing:
            return dict(self._items)

    def restore(self, state: State) -> None:
        """Begin with a state, in place of nothing: before the first `apply`.

        Raises:
            Corrupt: A segment is not what its manifest says; nothing was restored.
            Unsupported: A segment was written by another release.
            Unavailable: A file cannot be read.
        """
        opened = {
            key: [open_segment(key, segment, self._parameters.index) for segment in segments]
            for key, segments in state.collections.items()
        }
        with self._writing:
            for key, segments in opened.items():
                self._of(key).restore(segments)
            self._publish(opened, state.offsets)

    def flush(self) -> State:
        """Write all buffers as segments and return the state of the moment at which this began.

        Raises Unavailable if the disk does not take them; everything stays as it was, and searchable.
        """
        with self._writing:
            offsets = self._offsets
            drafts = {key: collection.close_buffer() for key, collection in self._collections.items()}
        return State(offsets, {key: self._seal(key, draft) for key, draft in drafts.items()})

    def maintain(self) -> bool:
        """Do the most urgent piece of work, a second or so of it; say whether there was any.

        Writes a buffer that has grown long, removes what was erased, merges segments, builds an index.
        Raises Unavailable as `flush`.
        """
        return self._seal_longest() or self._clean_one() or self._merge_one() or self._index_one()

    def erase(self, collection: CollectionKey, exemplar_ids: Sequence[str]) -> bool:
        """Have `maintain` write segments anew that hold forgotten ones of these; say whether none does."""
        unclean = {
            view.segment.folder
            for view in self._segments().get(collection, ())
            if any(not view.alive[slot] for slot in view.find(exemplar_ids))
        }
        self._unclean |= unclean
        return not unclean

    def close(self) -> None:
        """Cut short what `maintain` is doing, if it can be."""
        self._stopped.set()

    def statistics(self) -> Statistics:
        """Return what operators want to know."""
        with self._writing:
            collections = list(self._collections.values())
            buffered = sum(each.buffered for each in collections)
            views = [view for each in collections for view in each.segments]
        indexed: Counter[str] = Counter()
        for view in views:
            for key, table in view.tables.items():
                index = view.segment.index_of(key)
                indexed[index.kind if index else "exact"] += len(table.slots)
        return Statistics(
            buffered,
            len(views),
            sum(view.segment.rows for view in views),
            sum(view.dead for view in views),
            indexed,
        )

    def _of(self, key: CollectionKey) -> Collection:
        if key not in self._collections:
            self._collections[key] = Collection(self._items)
        return self._collections[key]

    def _publish(self, touched: Iterable[CollectionKey], offsets: Mapping[int, int]) -> None:
        """Let views to come see what was done; the lock of writing is held."""
        holders = {key: self._collections[key].holders() for key in touched}
        newer = {**self._offsets, **offsets}
        with self._publishing:
            self._holders.update(holders)
            self._offsets = newer

    def _refuse_if_full(self, changes: int) -> None:
        self._looked_in -= changes
        if self._looked_in > 0:
            return
        most = self._parameters.buffer.most_bytes
        if sum(each.buffered_bytes for each in self._collections.values()) >= most:
            raise Unavailable(
                f"the memory's write buffer holds {most} bytes, and segments cannot be written fast enough",
                reason="BUFFER_FULL",
            )
        self._looked_in = _LOOK_EVERY

    def _seal_longest(self) -> bool:
        with self._writing:
            due = {key: each for key, each in self._collections.items() if self._is_due(each)}
            if not due:
                return False
            longest = max(due, key=lambda key: due[key].buffered)
            draft = due[longest].close_buffer()
        self._seal(longest, draft)
        return True

    def _is_due(self, collection: Collection) -> bool:
        buffer = self._parameters.buffer
        has_index = any(
            view.segment.index_of(key) is not None for view in collection.segments for key in view.tables
        )
        return collection.buffered > (buffer.rows_beside_indexes if has_index else buffer.rows)

    def _seal(self, key: CollectionKey, draft: Draft) -> tuple[SegmentState, ...]:
        """Write a draft, put the segment in its place, and return the collection as of the draft."""
        segment = None
        if not draft.is_empty:
            of_blocks = [sources.of_block(block) for block in draft.blocks]
            segment = Segment.open(write_segment(self._folder, key, of_blocks))
        if draft.blocks:
            with self._writing:
                self._collections[key].sealed(draft, segment)
                self._publish([key], {})
        before = [_state(view) for view in draft.segments if view.dead < view.segment.rows]
        new = [] if segment is None else [SegmentState(segment.folder, np.zeros(0, np.int32))]
        return (*before, *new)

    def _clean_one(self) -> bool:
        for key, segments in self._segments().items() if self._unclean else ():
            for view in segments:
                if view.segment.folder in self._unclean:
                    self._merge(key, [view])
                    return True
        self._unclean.clear()
        return False

    def _merge_one(self) -> bool:
        for key, segments in self._segments().items():
            sizes = [Size(view.segment.rows, view.dead) for view in segments]
            if places := to_merge(sizes, self._parameters.merge):
                self._merge(key, [segments[place] for place in places])
                return True
        return False

    def _merge(self, key: CollectionKey, merged: Sequence[SegmentView]) -> None:
        living = [view for view in merged if view.dead < view.segment.rows]
        segment = None
        if living:
            of_segments = [sources.of_segment(view.segment, view.alive) for view in living]
            segment = Segment.open(write_segment(self._folder, key, of_segments))
        with self._writing:
            self._collections[key].replace(merged, segment)
            self._publish([key], {})

    def _index_one(self) -> bool:
        """Build the index that is wanted most, and write buffers that grow long meanwhile."""
        wanted = [
            (table.rows, view.segment, number)
            for collection in self._segments().values()
            if sum(view.living for view in collection) > self._parameters.index.exact_rows
            for view in collection
            for number, table in enumerate(view.segment.manifest.tables)
            if self._wants_index(view.segment, table)
        ]
        if not wanted:
            return False
        _, segment, number = max(wanted, key=lambda each: each[0])
        key = list(segment.tables)[number]
        index = build_index(
            segment.folder, number, segment.tables[key], self._parameters.index, go_on=self._goes_on
        )
        if index is not None:
            segment.use(key, index)
        return index is not None

    def _wants_index(self, segment: Segment, table: TableSize) -> bool:
        parameters = self._parameters.index
        large = table.rows >= parameters.rows and table.dim >= parameters.least_dim
        return large and segment.index_of(TableKey(table.space, table.encoder, table.dim)) is None

    def _goes_on(self) -> bool:
        while not self._stopped.is_set() and self._seal_longest():
            pass
        return not self._stopped.is_set()

    def _segments(self) -> dict[CollectionKey, tuple[SegmentView, ...]]:
        with self._writing:
            return {key: each.segments for key, each in self._collections.items()}


def open_segment(key: CollectionKey, state: SegmentState, parameters: IndexParameters) -> SegmentView:
    """Return a segment with its indexes and its dead. Raises Corrupt, Unsupported, Unavailable."""
    segment = Segment.open(state.folder)
    if segment.collection != key:
        raise Corrupt(f"the segment {state.folder} is of {segment.collection}, not of {key}")
    if len(state.dead) and not 0 <= state.dead.min() <= state.dead.max() < segment.rows:
        raise Corrupt(f"the segment {state.folder} has no such slots as are said to be dead")
    for number, (table, vectors) in enumerate(segment.tables.items()):
        if index := open_index(segment.folder, number, vectors, parameters):
            segment.use(table, index)
    return SegmentView(segment, np.ones(segment.rows, np.bool_), 0).without(state.dead)


def _state(view: SegmentView) -> SegmentState:
    return SegmentState(view.segment.folder, np.flatnonzero(~view.alive).astype(np.int32))
