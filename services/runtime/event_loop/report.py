"""What one member of a group tells about how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from services.kernel.errors import FoveaError
from services.runtime.event_log.ports import Consumer, TopicPartition
from services.runtime.event_loop.lag import Place
from services.runtime.event_loop.lane import Lane
from services.runtime.event_loop.metrics import EventMetrics
from services.runtime.event_loop.outbox import Outbox
from services.runtime.event_loop.subscription import Clock

_EVERY_S: Final = 1.0


class Report:
    """Says now and then how far each partition is, and at once which are gone.

    Args:
        metrics: Takes note.
        clock: The time.
        consumer: Knows what is read next.
        outbox: Has what is done with and not yet committed.
    """

    def __init__(self, metrics: EventMetrics, clock: Clock, consumer: Consumer, outbox: Outbox) -> None:
        self._metrics = metrics
        self._clock = clock
        self._consumer = consumer
        self._outbox = outbox
        self._due_s = clock.monotonic_s()
        self._sharings = 0
        self._refused = 0

    def now_and_then(self, lanes: Mapping[TopicPartition, Lane]) -> None:
        """Say how far the partitions are, if that was not said a moment ago."""
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + _EVERY_S
        for lane in lanes.values():
            place = self._place(lane)
            if place is not None:
                self._metrics.stands(lane.source.partition, place)

    def assigned(self) -> None:
        """Say so if the group was shared out anew."""
        sharings = self._consumer.sharings()
        if sharings > self._sharings:
            self._metrics.shared_out(sharings - self._sharings)
            self._sharings = sharings

    def lost(self, source: TopicPartition) -> None:
        """Say that a partition belongs to somebody else now."""
        self._metrics.left(source.partition)

    def refused(self, events: int) -> None:
        """Say how many events are done with whose outputs the log does not take."""
        if events != self._refused:
            self._metrics.refused(events - self._refused)
            self._refused = events

    def _place(self, lane: Lane) -> Place | None:
        """Return the lane's place; None if it is not known, as it is while a commit fails."""
        if self._outbox.committing(lane.source):
            return None
        first = self._outbox.first(lane.source) or (lane.pending[0] if lane.pending else None)
        if first is not None:
            return Place(first.position.offset, first.timestamp_s)
        with suppress(FoveaError):
            offset = self._consumer.position(lane.source)
            return None if offset is None else Place(offset)
        return None
