"""What a loop tells about one subscription."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, Protocol, get_args, runtime_checkable

from services.runtime import metrics
from services.runtime.event_loop.lag import Place, Places

Outcome = Literal["ok", "retry", "dead", "skipped"]


@runtime_checkable
class EventMetrics(Protocol):
    """Takes note of one subscription's events."""

    def received(self, count: int) -> None:
        """So many events were read."""
        ...

    def handled(self, outcome: Outcome, *, seconds: float, age_s: float) -> None:
        """One attempt at an event ended; it was published `age_s` before the attempt began."""
        ...

    def published(self, seconds: float) -> None:
        """What handlers returned is durable."""
        ...

    def dead_letter(self, reason: str) -> None:
        """An event went to the dead letters."""
        ...

    def paused(self, partition: int, *, paused: bool) -> None:
        """A partition waits, or goes on."""
        ...

    def stands(self, partition: int, place: Place) -> None:
        """So far the group is in a partition of this process. Said every second or so."""
        ...

    def left(self, partition: int) -> None:
        """A partition is no longer of this process."""
        ...

    def shared_out(self, times: int) -> None:
        """The group was shared out anew."""
        ...

    def refused(self, more: int) -> None:
        """So many more events than before are done with and wait for the log to take their outputs."""
        ...


class NoMetrics:
    """Takes no note."""

    def received(self, count: int) -> None:
        """Do nothing."""

    def handled(self, outcome: Outcome, *, seconds: float, age_s: float) -> None:
        """Do nothing."""

    def published(self, seconds: float) -> None:
        """Do nothing."""

    def dead_letter(self, reason: str) -> None:
        """Do nothing."""

    def paused(self, partition: int, *, paused: bool) -> None:
        """Do nothing."""

    def stands(self, partition: int, place: Place) -> None:
        """Do nothing."""

    def left(self, partition: int) -> None:
        """Do nothing."""

    def shared_out(self, times: int) -> None:
        """Do nothing."""

    def refused(self, more: int) -> None:
        """Do nothing."""


class PrometheusEventMetrics:
    """Takes note in the platform's catalogue."""

    def __init__(self, catalogue: metrics.EventMetrics, topic: str, group: str) -> None:
        self.topic = topic
        self.places = Places()
        self._catalogue = catalogue
        self._labels = (topic, group)
        self._received = catalogue.received.labels(topic, group)
        self._processed = {one: catalogue.processed.labels(topic, group, one) for one in get_args(Outcome)}
        self._process = catalogue.process.labels(topic, group)
        self._age = catalogue.age.labels(topic, group)
        self._produce = catalogue.produce.labels(topic, group)
        catalogue.outbox.labels(topic, group).set(0)

    def received(self, count: int) -> None:
        """Count."""
        self._received.inc(count)

    def handled(self, outcome: Outcome, *, seconds: float, age_s: float) -> None:
        """Count by outcome, and observe both times."""
        self._processed[outcome].inc()
        self._process.observe(seconds)
        self._age.observe(age_s)

    def published(self, seconds: float) -> None:
        """Observe."""
        self._produce.observe(seconds)

    def dead_letter(self, reason: str) -> None:
        """Count by reason."""
        self._catalogue.dead_letters.labels(*self._labels, reason).inc()

    def paused(self, partition: int, *, paused: bool) -> None:
        """Set the partition's gauge."""
        self._catalogue.paused.labels(*self._labels, str(partition)).set(paused)

    def stands(self, partition: int, place: Place) -> None:
        """Keep it until lag is looked at; a partition that never waits says so."""
        self.places.put(partition, place)
        self._catalogue.paused.labels(*self._labels, str(partition))

    def left(self, partition: int) -> None:
        """Take the partition's gauges away: another process has them now."""
        labels = (*self._labels, str(partition))
        with self.places.without(partition):
            for gauge in (self._catalogue.lag, self._catalogue.lag_seconds, self._catalogue.paused):
                with suppress(KeyError):
                    gauge.remove(*labels)

    def shared_out(self, times: int) -> None:
        """Count."""
        self._catalogue.rebalances.labels(*self._labels).inc(times)

    def refused(self, more: int) -> None:
        """Move the gauge."""
        self._catalogue.outbox.labels(*self._labels).inc(more)

    def show_lag(self, ends: Mapping[int, int] | None, now_s: float) -> None:
        """Set the gauges of all partitions of this process; without `ends`, those that need none."""
        self._catalogue.log_up.set(ends is not None)
        self._catalogue.log_up.set(ends is not None)
        with self.places.lags(ends, now_s) as lags:
            for partition, lag in lags.items():
                labels = (*self._labels, str(partition))
                self._catalogue.lag_seconds.labels(*labels).set(lag.seconds)
                if lag.messages is not None:
                    self._catalogue.lag.labels(*labels).set(lag.messages)
