"""Takes snapshots of the memory for all replicas; one replica does it, another takes over when it stops."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.kernel.errors import FoveaError, Unavailable
from services.retrieval.adapters.memory.catalogue import Catalogue
from services.retrieval.adapters.memory.freshness import behind
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.runtime.metrics import MemoryMetrics

_LOOK_S: Final = 1.0  # how often, at most, it is asked whether a snapshot is due
_LAST_S: Final = 5.0  # what a snapshot gets that is being written when the process ends
_NOTHING: Final = Catalogue({}, 0.0)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """When snapshots are taken, and how long they are kept.

    Args:
        every_s: From one to the next, if there was anything new.
        refresh_every_s: From one to the next in any case: an old snapshot is not to be trusted.
        keep: How many to keep.
        grace_s: The longest that a replica takes to read or to write one.
    """

    every_s: float = 300.0
    refresh_every_s: float = 3_600.0
    keep: int = 3
    grace_s: float = 3_600.0

    def is_due(self, *, news: bool, mine: bool, patience: float, age_s: float) -> bool:
        """Say whether it is time for a snapshot.

        Args:
            news: Whether there is anything that the newest does not have.
            mine: Whether this replica wrote that one; then it writes the next as well.
            patience: How many times longer another waits, so that two do not do it at once.
            age_s: How long ago the newest came.
        """
        wait_s = self.every_s if news else self.refresh_every_s
        return age_s >= (wait_s if mine else patience * wait_s)


@dataclass(frozen=True)
class _Newest:
    """The newest snapshot there is, and when this replica saw it first, by its own monotonic clock."""

    number: int
    catalogue: Catalogue
    seen_at: float


class SnapshotWriter:
    """Stores the newest catalogue of this replica's disk, again and again, in a thread of its own.

    Args:
        local: The replica's own disk.
        snapshots: Where they go.
        metrics: Of the memory.
        usable: Whether a replica that started now would open such a catalogue. Raises Unavailable.
        schedule: When.
    """

    def __init__(
        self,
        local: LocalMemory,
        snapshots: SnapshotStore,
        *,
        metrics: MemoryMetrics,
        usable: Callable[[Catalogue], bool],
        schedule: Schedule | None = None,
    ) -> None:
        self._local = local
        self._snapshots = snapshots
        self._metrics = metrics
        self._usable = usable
        self._schedule = schedule or Schedule()
        self._patience = random.uniform(1.5, 3.0)  # noqa: S311  (no secret)
        self._newest = _Newest(0, _NOTHING, time.monotonic())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-snapshots", daemon=True)
        metrics.snapshot_age.set_function(self._age_s)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop. A snapshot that is being written gets a moment; what there is of it then is none."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_LAST_S)

    def turn(self) -> bool:
        """Take a snapshot if it is time for one, and say whether one was taken. Raises FoveaError."""
        current = self._local.current
        if current is None or not self._is_due(current):
            return False
        self._look()
        if not self._is_due(current):
            return False  # another replica was first
        self._take()
        return True

    def _run(self) -> None:
        shortest_s = pause_s = min(_LOOK_S, self._schedule.every_s)
        while not self._stop.wait(pause_s):
            try:
                if not self._newest.number:
                    self._look()
                self.turn()
                pause_s = shortest_s
            except Exception as error:  # noqa: BLE001  (logged, counted, tried again)
                self._metrics.snapshot_failures.inc()
                pause_s = min(2 * max(pause_s, shortest_s), max(self._schedule.every_s, shortest_s))
                unforeseen = not isinstance(error, FoveaError)
                _LOG.error("no snapshot of the memory could be taken: %s", error, exc_info=unforeseen)

    def _is_due(self, current: Catalogue) -> bool:
        newest = self._newest
        return self._schedule.is_due(
            news=behind(newest.catalogue.offsets, current.offsets) > 0,
            mine=newest.catalogue.writer == current.writer,
            patience=self._patience,
            age_s=time.monotonic() - newest.seen_at,
        )

    def _look(self) -> None:
        """See what the newest snapshot is; one that nobody would open is as good as none."""
        found = self._snapshots.snapshots()
        if found and found[0].number != self._newest.number:
            catalogue = self._read(found[0].number)
            self._newest = _Newest(found[0].number, catalogue, time.monotonic())

    def _read(self, number: int) -> Catalogue:
        try:
            catalogue = self._snapshots.read(number)
        except Unavailable:
            raise
        except FoveaError:
            return _NOTHING
        return catalogue if self._usable(catalogue) else _NOTHING

    def _take(self) -> None:
        with self._local.pinned() as catalogue:
            if catalogue is None:
                return
            number = self._snapshots.write(catalogue, self._local.segments)
        self._newest = _Newest(number, catalogue, time.monotonic())
        self._metrics.snapshots.inc()
        _LOG.info("snapshot %d of the memory is stored", number)
        self._snapshots.collect(keep=self._schedule.keep, grace_s=self._schedule.grace_s)

    def _age_s(self) -> float:
        """Return how long ago the newest snapshot was seen first; NaN if there is none."""
        newest = self._newest
        return time.monotonic() - newest.seen_at if newest.number else math.nan
