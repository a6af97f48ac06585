"""What a loop tells about one subscription."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from services.runtime import metrics

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


class PrometheusEventMetrics:
    """Takes note in the platform's catalogue."""

    def __init__(self, catalogue: metrics.EventMetrics, topic: str, group: str) -> None:
        self._catalogue = catalogue
        self._labels = (topic, group)
        self._received = catalogue.received.labels(topic, group)
        self._process = catalogue.process.labels(topic, group)
        self._age = catalogue.age.labels(topic, group)
        self._produce = catalogue.produce.labels(topic, group)

    def received(self, count: int) -> None:
        """Count."""
        self._received.inc(count)

    def handled(self, outcome: Outcome, *, seconds: float, age_s: float) -> None:
        """Count by outcome, and observe both times."""
        self._catalogue.processed.labels(*self._labels, outcome).inc()
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
