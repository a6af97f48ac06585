"""Segments of kept versions: stored from a view of the memory, opened as a view again, written anew."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from services.kernel.errors import FoveaError, Unavailable
from services.kernel.vocabulary import CollectionKey, Exemplar
from services.retrieval.adapters.memory import sources
from services.retrieval.adapters.memory.block import BlockView
from services.retrieval.adapters.memory.catalogue import Entry
from services.retrieval.adapters.memory.holders import SegmentView
from services.retrieval.adapters.memory.index import open_segment
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.parameters import IndexParameters
from services.retrieval.adapters.memory.segment_store import SegmentStore
from services.retrieval.adapters.memory.segment_writer import write_segment
from services.retrieval.adapters.memory.state import SegmentState
from services.retrieval.adapters.memory.view import SegmentedView


class VersionSegments:
    """Carries segments between this replica's memory and the object store.

    Args:
        stored: Where segments are for all replicas.
        local: The replica's own disk, which may have some of them.
        parameters: Of the indexes.
    """

    def __init__(
        self, stored: SegmentStore, local: LocalMemory, parameters: IndexParameters | None = None
    ) -> None:
        self._stored = stored
        self._local = local
        self._parameters = parameters or IndexParameters()

    def store(self, collection: CollectionKey, view: SegmentedView) -> tuple[Entry, ...]:
        """Store what a view consists of, and return how a catalogue names it.

        What is in the buffer becomes a segment of its own. Raises NotFound if a segment of the view was
        merged away before it was stored, Unavailable.
        """
        segments = [each for each in _segments(view) if each.living]
        blocks = [sources.of_block(each) for each in view.holders if isinstance(each, BlockView)]
        entries = [_entry(collection, each) for each in segments]
        with self._local.pinning([entry.digest for entry in entries]):
            for each in segments:
                self._stored.upload(each.segment.folder)
        if any(len(block.kept) for block in blocks):
            with self._scratch() as scratch:
                folder = write_segment(scratch, collection, blocks)
                self._stored.upload(folder)
                entries.append(Entry(folder.name, collection))
        return tuple(entries)

    def open(self, entries: Sequence[Entry], offsets: Mapping[int, int]) -> SegmentedView:
        """Return the view that the entries are. Raises NotFound, Corrupt, Unsupported, Unavailable."""
        return SegmentedView(offsets, tuple(self._opened(entry) for entry in entries))

    def cleaned(
        self, entry: Entry, *, hidden: Collection[str], erased: Collection[str]
    ) -> tuple[Entry | None, list[Exemplar]]:
        """Return the entry without the bytes of some exemplars, and those that are gone with it.

        Args:
            entry: As it is.
            hidden: These go.
            erased: Of these those go that are dead in the segment.

        Returns:
            The same entry if nothing had to go; None if nothing is left.
        """
        view = self._opened(entry)
        going = {*view.find(hidden), *(slot for slot in view.find(erased) if not view.alive[slot])}
        if not going:
            return entry, []
        alive = _without(view, sorted(going))
        gone = view.exemplars(sorted(going))
        if not alive.any():
            return None, gone
        with self._scratch() as scratch:
            folder = write_segment(scratch, entry.collection, [sources.of_segment(view.segment, alive)])
            self._stored.upload(folder)
            return Entry(folder.name, entry.collection), gone

    def _opened(self, entry: Entry) -> SegmentView:
        """Open a segment where it lies, or where it is brought to.

        What is open stays readable when its files are removed, and so does a version while it is looked at.
        """
        dead = np.frombuffer(entry.dead, "<i4").astype(np.int32)
        try:
            state = SegmentState(self._local.segments / entry.digest, dead)
            return open_segment(entry.collection, state, self._parameters)
        except FoveaError:
            with self._scratch() as scratch:
                self._stored.fetch(entry.digest, scratch)
                state = SegmentState(scratch / entry.digest, dead)
                return open_segment(entry.collection, state, self._parameters)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        try:
            with tempfile.TemporaryDirectory(dir=self._local.scratch) as folder:
                yield Path(folder)
        except OSError as error:
            raise Unavailable(f"cannot use {self._local.scratch}: {error}") from error


def without(view: SegmentedView, exemplar_ids: Collection[str]) -> SegmentedView:
    """Return a view of segments in which some exemplars are dead."""
    if not exemplar_ids:
        return view
    holders = []
    for holder in view.holders:
        slots = [slot for slot in holder.find(exemplar_ids) if holder.alive[slot]]
        holders.append(holder.without(slots) if slots and isinstance(holder, SegmentView) else holder)
    return SegmentedView(view.offsets, tuple(holders))


def unshared(one: SegmentedView, other: SegmentedView) -> tuple[SegmentedView, SegmentedView]:
    """Return both views without what is alive in both in the same segment: it is the same."""
    ours, theirs = ({each.segment.folder.name: each for each in _segments(view)} for view in (one, other))
    both = {
        name: np.flatnonzero(ours[name].alive & theirs[name].alive) for name in ours.keys() & theirs.keys()
    }
    return _less(one, both), _less(other, both)


def _less(view: SegmentedView, slots: Mapping[str, Int64[np.ndarray, "_"]]) -> SegmentedView:
    holders = (
        each.without(slots[each.segment.folder.name].astype(np.int32))
        if isinstance(each, SegmentView) and each.segment.folder.name in slots
        else each
        for each in view.holders
    )
    return SegmentedView(view.offsets, tuple(holders))


def _segments(view: SegmentedView) -> list[SegmentView]:
    return [each for each in view.holders if isinstance(each, SegmentView)]


def _without(view: SegmentView, slots: Sequence[int]) -> Bool[np.ndarray, "slot"]:
    alive = view.alive.copy()
    alive[slots] = False
    return alive


def _entry(collection: CollectionKey, view: SegmentView) -> Entry:
    dead = np.flatnonzero(~view.alive).astype("<i4").tobytes()
    return Entry(view.segment.folder.name, collection, dead)
