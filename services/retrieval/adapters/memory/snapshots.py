"""Snapshots of the memory in the object store: written by one replica, opened by any.

<prefix>/snapshots/000000000042.json    a catalogue; the greatest number is the newest

Numbers are taken by whoever is first, so no clock orders snapshots. What is collected, and when, follows the
object store's own clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.kernel.errors import Corrupt, NotFound, Unsupported
from services.retrieval.adapters.memory.catalogue import Catalogue, decode, encode
from services.retrieval.adapters.memory.segment_store import PART_BYTES, SegmentStore
from services.runtime.object_store.ports import ObjectStore

PREFIX: Final = "memory"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as a listing shows it; `stored_s` is by the clock of the object store."""

    number: int
    stored_s: float


class SnapshotStore:
    """Keeps snapshots in an object store, for any number of replicas.

    Args:
        store: Where.
        prefix: What its keys begin with.
        part_bytes: The largest object of a segment that it puts there.
        also_named: Gives the segments that something else than snapshots needs. Raises FoveaError.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        prefix: str = PREFIX,
        part_bytes: int = PART_BYTES,
        also_named: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._store = store
        self._also_named = also_named
        self._prefix = prefix
        self._segments = SegmentStore(store, prefix=prefix, part_bytes=part_bytes)

    def snapshots(self) -> list[Snapshot]:
        """Return what there is, the newest first. Raises Unavailable."""
        found = [
            Snapshot(int(name), entry.modified_s)
            for entry in self._store.list(f"{self._prefix}/snapshots/")
            if (name := entry.key.rpartition("/")[2].removesuffix(".json")).isdecimal()
        ]
        return sorted(found, key=lambda each: -each.number)

    def read(self, number: int) -> Catalogue:
        """Return a snapshot's catalogue. Raises Corrupt, Unsupported, NotFound, Unavailable."""
        return decode(self._store.get(self._key(number)))

    def write(self, catalogue: Catalogue, folder: Path) -> int:
        """Store a snapshot and return its number; the segments go first, so that it is whole or not there.

        Args:
            catalogue: Of the memory.
            folder: Where the folders of its segments are.

        Raises:
            Corrupt: A file of a segment is not what its digest says.
            NotFound: A segment is not in the folder.
            Unavailable: The object store or the disk cannot be used.
        """
        for digest in sorted(catalogue.digests):
            self._segments.upload(folder / digest)
        data = encode(catalogue)
        number = max((each.number for each in self.snapshots()), default=0) + 1
        while not self._store.put_if_absent(self._key(number), data):
            number += 1
        return number

    def fetch(self, digest: str, folder: Path) -> None:
        """Bring a segment into a folder, checked. Raises Corrupt, NotFound, Unavailable."""
        self._segments.fetch(digest, folder)

    def collect(self, *, keep: int, grace_s: float, also: Collection[int] = ()) -> int:
        """Delete what nobody needs any more and return how many snapshots went; best after a `write`.

        A snapshot goes once so many newer ones were stored and that is longer ago than the grace: a replica
        that had begun to read it is done by then. A segment goes when no snapshot names it, unless it was
        stored within the grace: its snapshot may be yet to come.

        Args:
            keep: How many to keep, at least one.
            grace_s: The longest that a replica takes to read or to write a snapshot.
            also: Numbers of others to keep.

        Raises:
            Unavailable: The object store cannot be used.
        """
        snapshots = self.snapshots()
        if not snapshots and next(self._store.list(f"{self._prefix}/segments/"), None) is None:
            return 0
        before_s = (snapshots[0].stored_s if snapshots else self._now_s()) - grace_s
        superseded = zip(snapshots, snapshots[max(keep, 1) :], strict=False)
        gone = [old.number for by, old in superseded if by.stored_s < before_s and old.number not in also]
        for number in gone:
            self._store.delete(self._key(number))
        named = self._named()
        if named is not None:
            self._segments.collect(named, before_s)
        return len(gone)

    def _named(self) -> set[str] | None:
        """Return the segments that are named; None if something cannot be read that may name any."""
        try:
            named = set(self._also_named())
        except (Corrupt, Unsupported) as error:
            _LOG.warning("segments are not collected: %s", error)
            return None
        for each in self.snapshots():
            try:
                named |= self.read(each.number).digests
            except NotFound:
                continue  # another replica collects as well
            except (Corrupt, Unsupported) as error:
                _LOG.warning("segments are not collected while snapshot %d is there: %s", each.number, error)
                return None
        return named

    def _now_s(self) -> float:
        """Return the time by the clock of the object store."""
        key = f"{self._prefix}/now"
        self._store.put(key, b"")
        return max(entry.modified_s for entry in self._store.list(key))

    def _key(self, number: int) -> str:
        return f"{self._prefix}/snapshots/{number:012d}.json"
