"""Keeps a replica's memory: opens it, follows the log, and writes to disk what was read, beside the searches.

The log is the truth. What is written here is only so that the next start reads less of it, so nothing here
is in the way of a write or a search: while the disk is full, what is new stays in the write buffer, and is
written when there is room again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar, runtime_checkable

from services.kernel.errors import FoveaError, Unavailable
from services.retrieval.adapters.memory.catalogue import Catalogue
from services.retrieval.adapters.memory.freshness import Looks, behind, state_of
from services.retrieval.adapters.memory.index import Statistics
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.opening import Opening, Restorable
from services.retrieval.adapters.memory.state import State
from services.runtime.event_log.ports import EventLog, TopicPartition
from services.runtime.follower import ApplyAll, Follower
from services.runtime.metrics import MemoryMetrics

_IDLE_S: Final = 0.25
_LOOK_EVERY_S: Final = 5.0
_MEASURE_EVERY_S: Final = 1.0
_FIRST_RETRY_S: Final = 0.5
_LAST_S: Final = 5.0  # what the work in hand gets when the process ends
R = TypeVar("R")
_LOG = logging.getLogger(__name__)


@runtime_checkable
class Kept(Restorable, Protocol):
    """A memory that can be written to disk; these calls come from one thread, beside reads and writes."""

    def flush(self) -> State:
        """Return the state of this moment, on disk. Raises Unavailable."""
        ...

    def maintain(self) -> bool:
        """Do a second or so of the most urgent work; say whether there was any. Raises Unavailable."""
        ...

    def items(self) -> Mapping[str, int]:
        """Return how many exemplars each space has, or had, all collections together."""
        ...

    def statistics(self) -> Statistics:
        """Return what operators want to know."""
        ...


@dataclass(frozen=True)
class Rhythm:
    """When a memory is written to disk.

    Args:
        flush_records: After so many records: a start reads no more of the log than these.
        flush_every_s: After this time, if there was any record.
        refresh_every_s: After this time in any case: an old catalogue is not to be trusted.
        most_retry_s: The longest pause after an error.
    """

    flush_records: int = 5_000
    flush_every_s: float = 60.0
    refresh_every_s: float = 3_600.0
    most_retry_s: float = 15.0


class Keeper:
    """The thread that opens and keeps the memory; the follower of the log has one of its own.

    Args:
        log: Has the memory's topic.
        topic: Its name.
        apply: Makes records of it visible in the index.
        index: The memory.
        local: Where it is written.
        opening: Chooses what to begin with.
        metrics: Of the memory.
        rhythm: When it is written.
        now: Gives the time in seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913  (what is put together here is named where it is)
        self,
        log: EventLog,
        topic: str,
        apply: ApplyAll,
        *,
        index: Kept,
        local: LocalMemory,
        opening: Opening,
        metrics: MemoryMetrics,
        rhythm: Rhythm | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._log = log
        self._topic = topic
        self._apply = apply
        self._index = index
        self._local = local
        self._opening = opening
        self._metrics = metrics
        self._rhythm = rhythm or Rhythm()
        self._now = now
        self._writer = uuid.uuid4().hex
        self._identity = ""
        self._looks = Looks()
        self._kept_at = self._looked_at = self._retry_at = time.monotonic()
        self._measured_at = -math.inf
        self._retry_s = 0.0
        self._follower: Follower | None = None
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-keeper", daemon=True)

    def start(self) -> None:
        """Begin to open the memory, and return at once."""
        self._thread.start()

    def check(self) -> None:
        """Raise Unavailable unless all is read that was in the log at the start, and it is read on."""
        if not self.wait_caught_up(0.0):
            raise Unavailable("the memory is still being read from the log")

    def wait_caught_up(self, timeout_s: float) -> bool:
        """Wait until all is read that was in the log at the start; say whether it is. Raises Unavailable."""
        end = time.monotonic() + timeout_s
        follower = self._following(timeout_s)
        return follower is not None and follower.wait_caught_up(max(0.0, end - time.monotonic()))

    def wait_until(self, offsets: Mapping[TopicPartition, int], timeout_s: float) -> bool:
        """Wait until everything before the offsets is visible; say whether it is.

        Raises InvalidInput for a partition that there is not, Unavailable if the log is read no more.
        """
        end = time.monotonic() + timeout_s
        follower = self._following(timeout_s)
        return follower is not None and follower.wait_until(offsets, max(0.0, end - time.monotonic()))

    def position(self) -> Mapping[int, int]:
        """Return, for each partition, up to where it is read; empty until the memory is open."""
        follower = self._follower
        position = {} if follower is None else follower.position()
        return {source.partition: offset for source, offset in position.items()}

    def close(self) -> None:
        """Stop reading, and write what is in memory, so that the next start is quick."""
        self._stop.set()
        self._opening.stop()
        if self._thread.ident is not None:
            self._thread.join(_LAST_S)
        if self._follower is not None:
            self._follower.close()
            if not self._thread.is_alive():
                self._finally_keep()

    def _following(self, timeout_s: float) -> Follower | None:
        self._opened.wait(timeout_s)
        if self._error is not None:
            raise Unavailable(f"the memory could not be opened: {self._error}") from self._error
        return self._follower if self._opened.is_set() else None

    def _run(self) -> None:
        try:
            follower = self._open()
        except Exception as error:  # noqa: BLE001  (it is shown to whoever asks)
            _LOG.exception("the memory could not be opened")
            self._error = error
        else:
            self._follower = follower
        finally:
            self._opened.set()
        while self._follower is not None and not self._stop.is_set():
            if not self._turn():
                self._stop.wait(_IDLE_S)

    def _open(self) -> Follower:
        at_s, log = self._now(), self._patiently(lambda: state_of(self._log, self._topic))
        self._identity = log.identity
        found = self._opening(self._index, log, at_s)
        if found is not None:
            self._writer = found.writer or self._writer
            self._looks = Looks(found.as_of_s)
        self._looks.saw(log.ends, at_s)
        begin = {} if found is None else found.offsets
        start = {TopicPartition(self._topic, partition): offset for partition, offset in begin.items()}
        return self._patiently(lambda: self._followed(start))

    def _followed(self, start: Mapping[TopicPartition, int]) -> Follower:
        follower = Follower(self._log, [self._topic], apply_all=self._apply, start=start)
        follower.start()
        return follower

    def _patiently(self, action: Callable[[], R]) -> R:
        """Return what it gives, trying again while the log is Unavailable, until told to stop."""
        while True:
            try:
                return action()
            except Unavailable as error:
                _LOG.warning("the memory cannot be opened yet: %s", error)
                if self._stop.wait(self._rhythm.most_retry_s / 15):
                    raise

    def _turn(self) -> bool:
        """Do what is due, and say whether there may be more at once."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            if time.monotonic() - self._looked_at >= _LOOK_EVERY_S:
                self._look()
            if self._is_due():
                self._keep()
            busy = self._index.maintain()
        except FoveaError as error:
            self._wait_after(error)
            return False
        except Exception as error:  # noqa: BLE001  (the memory goes on without; it is logged, and tried again)
            _LOG.exception("keeping the memory failed")
            self._wait_after(Unavailable(str(error)))
            return False
        self._retry_s = 0.0
        self._measure()
        return busy

    def _look(self) -> None:
        at_s = self._now()
        self._looks.saw(self._log.end_offsets(self._topic), at_s)
        self._looked_at = time.monotonic()

    def _is_due(self) -> bool:
        """Say whether the memory should be written; one that has not read all yet has nothing to say."""
        position = self.position()
        if self._looks.as_of_s(position) is None:
            return False
        kept = self._local.current
        since = behind(kept.offsets if kept else {}, position)
        elapsed_s = time.monotonic() - self._kept_at
        if elapsed_s >= self._rhythm.refresh_every_s or since >= self._rhythm.flush_records:
            return True
        return since > 0 and elapsed_s >= self._rhythm.flush_every_s

    def _keep(self) -> None:
        """Write the memory as it is now, and remove what it no longer consists of."""
        before = self._local.names()
        state = self._index.flush()
        as_of_s = self._looks.as_of_s(state.offsets)
        if as_of_s is not None:
            catalogue = Catalogue.of(state, as_of_s=as_of_s, writer=self._writer, log=self._identity)
            self._local.keep(catalogue, before=before)
        self._kept_at = time.monotonic()

    def _finally_keep(self) -> None:
        position = self.position()
        kept = self._local.current
        if kept is not None and behind(kept.offsets, position) == 0:
            return
        try:
            if self._looks.as_of_s(position) is not None:
                self._keep()
        except FoveaError as error:
            _LOG.warning("the memory is not written: %s; the next start reads more of the log", error)

    def _wait_after(self, error: FoveaError) -> None:
        self._metrics.keep_failures.inc()
        self._retry_s = min(self._rhythm.most_retry_s, 2 * self._retry_s or _FIRST_RETRY_S)
        self._retry_at = time.monotonic() + self._retry_s
        _LOG.error("the memory cannot be written and stays in the buffer: %s", error)

    def _measure(self) -> None:
        if time.monotonic() - self._measured_at < _MEASURE_EVERY_S:
            return
        self._measured_at = time.monotonic()
        found = self._index.statistics()
        self._metrics.segments.set(found.segments)
        self._metrics.buffer_items.set(found.buffered)
        self._metrics.tombstone_ratio.set(found.dead / found.rows if found.rows else 0.0)
        for space, count in self._index.items().items():  # also of a memory that learns nothing
            self._metrics.items.labels(space).set(count)
        for kind, vectors in found.indexed.items():
            self._metrics.indexed.labels(kind).set(vectors)
