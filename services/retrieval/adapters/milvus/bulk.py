"""Brings a snapshot of segments into Milvus: vectors go from the mapped files of a segment into its tables.

Nothing of it is visible before all of it is there: the state, with the offsets of the snapshot, is published
at the end. One that breaks off begins anew, with an empty memory.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from services.kernel.errors import FoveaError, InvalidInput
from services.retrieval.adapters.memory.catalogue import Catalogue
from services.retrieval.adapters.memory.freshness import Limits, LogState
from services.retrieval.adapters.memory.segment import Segment
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.adapters.milvus.rows import Rows, rows_of
from services.retrieval.adapters.milvus.writer import MilvusWriter

_AT_ONCE: Final = 1_000
_LOG = logging.getLogger(__name__)


def usable(snapshots: SnapshotStore, log: LogState, now_s: float) -> Catalogue | None:
    """Return the newest snapshot that may be opened; None if there is none. Raises Unavailable."""
    for snapshot in snapshots.snapshots():
        try:
            found = snapshots.read(snapshot.number)
        except (InvalidInput, FoveaError) as error:
            _LOG.error("snapshot %d is not used: %s", snapshot.number, error)
            continue
        if reason := Limits().refusal(found, log, now_s):
            _LOG.error("snapshot %d is not used, it is %s", snapshot.number, reason)
            continue
        return found
    return None


def load(
    catalogue: Catalogue,
    snapshots: SnapshotStore,
    writer: MilvusWriter,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write all that lives in a snapshot, unpublished, and return how many exemplars there are.

    Args:
        catalogue: Of the snapshot.
        snapshots: Has its segments, which are fetched and removed one by one.
        writer: Of an empty memory.
        progress: Told how many exemplars were written.

    Raises:
        Corrupt, NotFound, Unavailable: A segment cannot be read, or Milvus cannot be written.
    """
    written = 0
    with TemporaryDirectory(prefix="fovea-import-") as folder:
        for entry in catalogue.entries:
            dead = np.frombuffer(entry.dead, "<i4")
            snapshots.fetch(entry.digest, Path(folder))
            rows = _rows(Segment.open(Path(folder) / entry.digest), dead, born=writer.state.moment)
            for some in iter(partial(_some, rows), []):
                writer.insert(some)
                written += len(some)
                progress(written)
            shutil.rmtree(Path(folder) / entry.digest, ignore_errors=True)
    return written


def _rows(segment: Segment, dead: np.ndarray, *, born: int) -> Iterator[Rows]:
    """Yield the rows of all exemplars of a segment that live."""
    gone = set(dead.tolist())
    for slot in range(segment.rows):
        if slot not in gone:
            yield rows_of(segment.collection, segment.encoded(slot), offset=0, born=born)


def _some(rows: Iterator[Rows]) -> list[Rows]:
    return list(islice(rows, _AT_ONCE))
