"""The replica that has the writer's seat: applies the log to Milvus, and tidies up.

It begins with what is published in Milvus, else with a snapshot of segments, else with nothing and the whole
log. What is published of another log, or is older than the log keeps its tombstones, is dropped first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.kernel.errors import Corrupt, FoveaError, NotFound, Unsupported
from services.retrieval.adapters.memory.catalogue import Catalogue
from services.retrieval.adapters.memory.freshness import Limits, LogState, Looks, state_of
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.adapters.milvus import bulk
from services.retrieval.adapters.milvus.seat import WriterSeat
from services.retrieval.adapters.milvus.state import State, StateTable
from services.retrieval.adapters.milvus.writer import MilvusWriter
from services.runtime.event_log.ports import EventLog, TopicPartition
from services.runtime.follower import ApplyAll, Follower
from services.runtime.metrics import MemoryMetrics

_IDLE_S: Final = 0.1
_MOST_RETRY_S: Final = 15.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rhythm:
    """How often the writer does what need not be done at once."""

    look_every_s: float = 5.0
    publish_every_s: float = 30.0
    collect_every_s: float = 60.0


class MilvusKeeper:
    """A thread that writes whenever this replica has the seat.

    Args:
        log: Has the memory's topic.
        topic: Its name.
        apply: Makes records of it visible through the writer.
        writer: Writes.
        states: Where states are read.
        seat: Says who writes.
        snapshots: Of segments, to begin with; None where there are none.
        metrics: Of the memory.
        rhythm: Of what is not urgent.
        now: Gives the time in seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913  (what is put together here is named where it is)
        self,
        log: EventLog,
        topic: str,
        apply: ApplyAll,
        *,
        writer: MilvusWriter,
        states: StateTable,
        seat: WriterSeat,
        snapshots: SnapshotStore | None,
        metrics: MemoryMetrics,
        rhythm: Rhythm | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._log = log
        self._topic = topic
        self._apply = apply
        self._writer = writer
        self._states = states
        self._seat = seat
        self._snapshots = snapshots
        self._metrics = metrics
        self._rhythm = rhythm or Rhythm()
        self._now = now
        self._looks = Looks()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="milvus-keeper", daemon=True)

    def start(self) -> None:
        """Begin to write as soon as this replica has the seat, and return at once."""
        self._seat.start()
        self._thread.start()

    def close(self) -> None:
        """Stop after the batch in hand, and leave the seat to another."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._seat.close()

    def _run(self) -> None:
        retry_s = _IDLE_S
        while not self._stop.wait(retry_s):
            if not self._seat.is_held():
                retry_s = _IDLE_S
                continue
            try:
                self._write()
            except FoveaError as error:
                self._metrics.keep_failures.inc()
                _LOG.warning("the memory in Milvus is not written: %s", error)
                retry_s = min(_MOST_RETRY_S, 2 * retry_s)
            except Exception:  # noqa: BLE001  (the next writer tries again; it is logged)
                self._metrics.keep_failures.inc()
                _LOG.exception("writing the memory in Milvus failed")
                retry_s = _MOST_RETRY_S
            else:
                retry_s = _IDLE_S

    def _write(self) -> None:
        """Write until the seat is lost or the process ends."""
        at_s, log = self._now(), state_of(self._log, self._topic)
        self._begin(log, at_s)
        self._looks.saw(log.ends, at_s)
        offsets = self._writer.state.offsets
        start = {TopicPartition(self._topic, partition): offset for partition, offset in offsets.items()}
        follower = Follower(self._log, [self._topic], apply_all=self._apply, start=start)
        follower.start()
        try:
            self._tend(follower)
        finally:
            follower.close()

    def _tend(self, follower: Follower) -> None:
        looked = published = collected = time.monotonic()
        while self._seat.is_held() and not self._stop.wait(_IDLE_S):
            follower.check()
            now = time.monotonic()
            if now - looked >= self._rhythm.look_every_s:
                at_s = self._now()
                self._looks.saw(self._log.end_offsets(self._topic), at_s)
                self._writer.count()
                looked = now
            if self._has_news(follower) or now - published >= self._rhythm.publish_every_s:
                self._publish(follower)
                published = now
            if now - collected >= self._rhythm.collect_every_s:
                self._writer.collect()
                collected = now

    def _has_news(self, follower: Follower) -> bool:
        """Say whether the log was read on over gaps, which no batch told of, or to its end, at last."""
        position, state = self._position(follower), self._writer.state
        return position != dict(state.offsets) or bool(not state.as_of_s and self._looks.as_of_s(position))

    def _publish(self, follower: Follower) -> None:
        position = self._position(follower)
        self._writer.publish(position, as_of_s=self._looks.as_of_s(position) or self._writer.state.as_of_s)

    def _position(self, follower: Follower) -> dict[int, int]:
        return {source.partition: offset for source, offset in follower.position().items()}

    def _begin(self, log: LogState, now_s: float) -> None:
        published = self._published(log, now_s)
        if published is None:
            published = self._anew(log, now_s)
        self._writer.begin(published)
        self._looks = Looks(published.as_of_s or None)
        self._writer.count()

    def _published(self, log: LogState, now_s: float) -> State | None:
        """Return what is published, if it may be gone on from."""
        try:
            state = self._states.read()
        except (Corrupt, Unsupported) as error:
            self._refuse(f"damaged: {error}", "damaged")
            return None
        if state is None:
            return None
        as_catalogue = Catalogue(state.offsets, state.as_of_s, log=state.log)
        if reason := Limits().refusal(as_catalogue, log, now_s):
            self._refuse(reason, reason)
            return None
        return state

    def _anew(self, log: LogState, now_s: float) -> State:
        """Begin with a snapshot, or with nothing, and return what is then published."""
        self._writer.drop_all()
        empty = State(log=log.identity)
        self._writer.begin(empty)
        found = None if self._snapshots is None else bulk.usable(self._snapshots, log, now_s)
        if found is None or self._snapshots is None:
            return empty
        _LOG.info("the memory in Milvus begins with a snapshot of %d segments", len(found.entries))
        try:
            count = bulk.load(found, self._snapshots, self._writer, progress=self._tell)
        except (Corrupt, NotFound, Unsupported) as error:
            self._refuse(f"damaged: {error}", "damaged")
            self._writer.drop_all()
            return empty
        _LOG.info("%d exemplars came from the snapshot", count)
        self._writer.publish(found.offsets, as_of_s=found.as_of_s)
        return self._writer.state

    def _refuse(self, why: str, reason: str) -> None:
        _LOG.error("what Milvus has of the memory is not gone on from, it is %s", why)
        self._metrics.refused.labels(reason).inc()

    def _tell(self, written: int) -> None:
        _LOG.info("%d exemplars written", written)
