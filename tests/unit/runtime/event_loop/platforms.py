"""A loop's surroundings: a real event log, the real topics, a clock that stands still."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.kernel.v1.envelope_pb2 import CollectionKey, Envelope
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.runtime.event_log.ports import (
    Consumer,
    EventLog,
    NewRecord,
    Position,
    Record,
    Start,
    Tail,
    TopicPartition,
)
from services.runtime.event_loop import Handler, Platform, RetryPolicy, Subscription
from services.runtime.event_loop.lag import Place
from services.runtime.event_loop.metrics import Outcome
from services.runtime.event_loop.worker import Worker
from services.runtime.events import EventWriter
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS
from tests.fakes.clock import ManualClock

IN, OUT = "images.submitted", "regions.proposed"
GROUP = "segmentation"


def image(name: str) -> ImageSubmitted:
    key = CollectionKey(tenant="default", collection="birds")
    return ImageSubmitted(envelope=Envelope(collection=key, recognition_id=name))


def propose(event: ImageSubmitted) -> RegionsProposed:
    return RegionsProposed(envelope=event.envelope)


def name_of(event: Any) -> str:
    return str(event.envelope.recognition_id)


class RecordedMetrics:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.read = 0
        self.outcomes: list[Outcome] = []
        self.reasons: list[str] = []
        self.pauses: list[bool] = []
        self.publishes = 0
        self.places: dict[int, Place] = {}
        self.sharings = 0
        self.waiting = 0

    def received(self, count: int) -> None:
        self.read += count

    def handled(self, outcome: Outcome, *, seconds: float, age_s: float) -> None:
        assert seconds >= 0
        assert age_s >= 0
        self.outcomes.append(outcome)

    def published(self, seconds: float) -> None:
        assert seconds >= 0
        self.publishes += 1

    def dead_letter(self, reason: str) -> None:
        self.reasons.append(reason)

    def paused(self, partition: int, *, paused: bool) -> None:
        assert partition >= 0
        self.pauses.append(paused)

    def stands(self, partition: int, place: Place) -> None:
        self.places[partition] = place

    def left(self, partition: int) -> None:
        self.places.pop(partition, None)

    def shared_out(self, times: int) -> None:
        self.sharings += times

    def refused(self, more: int) -> None:
        self.waiting += more


class Flaky:
    """An event log that refuses to publish as long as it has errors left."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.errors: list[Exception] = []
        self.refused: Callable[[NewRecord], Exception | None] = lambda _record: None

    def publish(self, records: Sequence[NewRecord]) -> Sequence[Position]:
        if self.errors:
            raise self.errors.pop(0)
        for record in records:
            error = self.refused(record)
            if error:
                raise error
        return self._log.publish(records)

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        return self._log.consumer(group, topics)

    def tail(self, topics: Sequence[str], *, start: Start | Mapping[TopicPartition, int] = "end") -> Tail:
        return self._log.tail(topics, start=start)

    @property
    def system(self) -> str:
        return self._log.system

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        return self._log.end_offsets(topic)

    def identity(self, topic: str) -> str:
        return self._log.identity(topic)

    def close(self) -> None:
        self._log.close()


@dataclass
class Bench:
    """A worker over `images.submitted`, stepped by hand."""

    log: Flaky
    time: ManualClock = field(default_factory=ManualClock)
    metrics: RecordedMetrics = field(default_factory=RecordedMetrics)
    stopping: bool = False
    commit_after_s: float = 0.0

    def platform(self) -> Platform:
        retry = RetryPolicy(base_s=1.0, cap_s=8.0, unknown_attempts=3, deadline_attempts=4)
        return Platform(
            self.log,
            TOPICS,
            "segmentation",
            "0.1.0",
            retry=retry,
            commit_after_s=self.commit_after_s,
            idle_s=0.0,
            clock=self.time.clock(),
        )

    def subscription(self, handler: Handler, topic: str = IN) -> Subscription:
        return Subscription(topic, GROUP, handler, most=16, metrics=self.metrics)

    def worker(self, handler: Handler, topic: str = IN) -> tuple[Worker, Consumer]:
        consumer = self.log.consumer(GROUP, [topic])
        return Worker(
            self.subscription(handler, topic), self.platform(), consumer, lambda: self.stopping
        ), consumer

    def submit(self, *names: str) -> Sequence[Position]:
        writer = EventWriter(TOPICS, producer="gateway/0.1.0")
        return Publisher(self.log, writer).publish(*map(image, names))

    def read(self, topic: str) -> list[Record]:
        with self.log.tail([topic], start="beginning") as tail:
            return list(tail.poll(0.0, most=10_000))

    def proposed(self) -> list[str]:
        return [name_of(RegionsProposed.FromString(record.value or b"")) for record in self.read(OUT)]


def same_partition(count: int) -> list[str]:
    """Return names whose events all fall into one partition."""
    names = (f"r{number}" for number in range(10_000))
    return [name for name in names if zlib.crc32(f"default/birds/{name}".encode()) % 4 == 0][:count]
