"""How far a group is behind is told alike of every event log."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.kernel.v1.envelope_pb2 import CollectionKey, Envelope
from services.kernel.errors import Unavailable
from services.runtime.event_log.ports import EventLog
from services.runtime.event_loop import EventLoop, LagWatch, Platform, PrometheusEventMetrics, Subscription
from services.runtime.events import EventWriter
from services.runtime.metrics import EventMetrics
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS
from tests.contract.logs import LOGS
from tests.e2e.waiting import eventually

TOPIC = "images.submitted"
PARTITIONS = TOPICS[TOPIC].settings.partitions


@dataclass
class Member:
    """A process that handles the topic, as a scrape of it shows."""

    log: EventLog
    group: str
    asleep: threading.Event
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        metrics = PrometheusEventMetrics(EventMetrics(self.registry), TOPIC, self.group)
        subscription = Subscription(TOPIC, self.group, self.handle, metrics=metrics)
        self.loop = EventLoop(subscription, Platform(self.log, TOPICS, "segmentation", "0"))
        self.watch = LagWatch(self.log.end_offsets, [metrics], lambda: 2e9)

    def handle(self, _: ImageSubmitted) -> None:
        if self.asleep.is_set():
            raise Unavailable("asleep")

    def lag(self) -> dict[str, float]:
        """Look, and return the lag of each partition that this member has."""
        self.watch.look()
        samples = [sample for family in self.registry.collect() for sample in family.samples]
        return {s.labels["partition"]: s.value for s in samples if s.name == "fovea_consumer_lag_messages"}

    def late_s(self) -> float:
        samples = [sample for family in self.registry.collect() for sample in family.samples]
        return max(s.value for s in samples if s.name == "fovea_consumer_lag_seconds")

    def __enter__(self) -> Member:  # noqa: PYI034
        self.loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.stop()
        assert self.loop.join(30.0)


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.integration)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    with LOGS[request.param](tmp_path, TOPICS.settings(), request) as opened:
        yield opened


def publish(log: EventLog, count: int) -> None:
    key = CollectionKey(tenant="default", collection="birds")
    names = [f"{uuid.uuid4()}" for _ in range(count)]
    events = [ImageSubmitted(envelope=Envelope(collection=key, recognition_id=name)) for name in names]
    Publisher(log, EventWriter(TOPICS, producer="test")).publish(*events)


def test_lag_grows_while_events_wait_falls_when_they_are_done_and_moves_with_the_partitions(
    log: EventLog,
) -> None:
    group, asleep = f"group-{uuid.uuid4()}", threading.Event()
    asleep.set()
    publish(log, 40)
    ends = {str(partition): end for partition, end in log.end_offsets(TOPIC).items()}

    with Member(log, group, asleep) as first:
        eventually(lambda: first.lag() == ends or None, timeout_s=60.0)
        assert first.late_s() > 1e6

        asleep.clear()
        eventually(
            lambda: (len(lag := first.lag()) == PARTITIONS and not any(lag.values())) or None, timeout_s=60
        )
        assert first.late_s() == 0.0

        with Member(log, group, asleep) as second:
            eventually(lambda: len(second.lag()) == PARTITIONS // 2 or None, timeout_s=60)
            eventually(lambda: len(first.lag()) == PARTITIONS // 2 or None, timeout_s=60)
            assert not first.lag().keys() & second.lag().keys()
        assert not second.lag()
        eventually(lambda: len(first.lag()) == PARTITIONS or None, timeout_s=60)
    assert not first.lag()


def test_a_group_that_comes_back_goes_on_from_where_it_was(log: EventLog) -> None:
    group, awake = f"group-{uuid.uuid4()}", threading.Event()
    publish(log, 8)
    with Member(log, group, awake) as first:
        eventually(
            lambda: (len(lag := first.lag()) == PARTITIONS and not any(lag.values())) or None, timeout_s=60
        )

    with Member(log, group, awake) as again:
        eventually(lambda: len(again.lag()) == PARTITIONS or None, timeout_s=60)
        assert not any(again.lag().values())
