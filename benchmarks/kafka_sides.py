"""Two ways to take one hop over Kafka: the platform's event loop, and a loop around the bare client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import kafka
from kafka import OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.kernel.v1.envelope_pb2 import CollectionKey, Envelope, RecognitionOptions
from fovea.kernel.v1.recognition_pb2 import Recognition
from fovea.ranking.v1.events_pb2 import RecognitionCompleted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.runtime.event_log.kafka import KafkaLog, KafkaOptions
from services.runtime.event_log.kafka.options import MIB, joining, producing
from services.runtime.event_log.kafka.records import encode
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_loop import Platform, PrometheusEventMetrics, Subscription
from services.runtime.event_loop.worker import Worker
from services.runtime.events import EventWriter
from services.runtime.metrics import Metrics
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS

BARE_TOPICS: Final = {
    name: TopicSettings(partitions=4) for name in ("bare.in", "bare.out", "bare.read", "headless.in")
}
MOST: Final = 64  # records read at once, on both sides
_GROUP: Final = "benchmark"
_KEY: Final = CollectionKey(tenant="default", collection="benchmark")
_OPTIONS: Final = RecognitionOptions(exclude_exemplar_ids=["x" * 78] * 10)  # an event of about 1 kB


@dataclass
class Seen:
    """When events were sent, by their ids, and how long each waited for its handler."""

    sent_s: dict[str, float] = field(default_factory=dict)
    waited_s: list[float] = field(default_factory=list)

    def handled(self, name: str) -> None:
        """Note one."""
        self.waited_s.append(time.perf_counter() - self.sent_s.pop(name))


@dataclass(frozen=True)
class Side:
    """One way to take the hop.

    Args:
        publish: Makes events durable.
        step: Reads once, and does all that is to be done with what came.
        seen: What was handled.
    """

    publish: Callable[[Sequence[str]], object]
    step: Callable[[], object]
    seen: Seen

    def send(self, names: Sequence[str]) -> None:
        """Publish, and note when that began."""
        self.seen.sent_s.update(dict.fromkeys(names, time.perf_counter()))
        self.publish(names)


@contextmanager
def ours(log: KafkaLog, *, passes_on: bool) -> Iterator[Side]:
    """Give a worker of the event loop with everything on; its handler passes on the envelope, or nothing."""
    seen = Seen()
    publisher = Publisher(log, EventWriter(TOPICS, producer="benchmark/0"))

    def publish(names: Sequence[str]) -> None:
        events = map(_submitted if passes_on else _completed, names)
        publisher.publish(*events)

    def pass_on(event: ImageSubmitted) -> RegionsProposed:
        seen.handled(event.envelope.recognition_id)
        return RegionsProposed(envelope=event.envelope)

    def end(event: RecognitionCompleted) -> None:
        seen.handled(event.recognition.envelope.recognition_id)

    topic = "images.submitted" if passes_on else "recognitions.completed"
    measured = PrometheusEventMetrics(Metrics().events, topic, _GROUP)
    handler: Callable[[Any], Any] = pass_on if passes_on else end
    subscription = Subscription(topic, _GROUP, handler, most=MOST, metrics=measured)
    with log.consumer(_GROUP, [topic]) as consumer:
        worker = Worker(subscription, Platform(log, TOPICS, _GROUP, "0"), consumer)
        yield Side(publish, worker.step, seen)


@contextmanager
def bare(servers: str, *, topic: str) -> Iterator[Side]:
    """Give a loop around the library's clients, set as ours are.

    It copies the same records from `bare.in`, from `headless.in` without their headers, and commits; what is
    in `bare.read` it only reads.
    """
    seen = Seen()
    options = KafkaOptions()
    writer = EventWriter(TOPICS, producer="benchmark/0")
    with (
        closing(kafka.KafkaProducer(**producing(servers, options))) as producer,
        closing(kafka.KafkaConsumer(topic, **joining(servers, options, f"{_GROUP}:{topic}"))) as consumer,
    ):

        def publish(names: Sequence[str]) -> None:
            records = [encode(writer.record(_submitted(name)), most=MIB) for name in names]
            headers = topic != "headless.in"
            _sent([_send(producer, topic, record, record.headers if headers else []) for record in records])

        def step() -> None:
            batches = consumer.poll(timeout_ms=250, max_records=MOST)
            for batch in batches.values():
                for record in batch:
                    seen.handled(record.key.decode().rpartition("/")[2])
            if topic != "bare.read" and batches:
                _pass_on(producer, consumer, batches)

        yield Side(publish, step, seen)


def _pass_on(producer: Any, consumer: Any, batches: dict[KafkaPartition, list[Any]]) -> None:
    """Produce what was read, wait until it is durable, and commit."""
    records = chain.from_iterable(batches.values())
    _sent([_send(producer, "bare.out", record, record.headers) for record in records])
    offsets = {source: OffsetAndMetadata(batch[-1].offset + 1, "", -1) for source, batch in batches.items()}
    consumer.commit(offsets)


def _send(producer: Any, topic: str, record: Any, headers: Sequence[tuple[str, bytes]]) -> Any:
    return producer.send(topic, key=record.key, value=record.value, headers=list(headers))


def _sent(futures: Sequence[Any]) -> None:
    for future in futures:
        future.get()


def _submitted(name: str) -> ImageSubmitted:
    return ImageSubmitted(envelope=_envelope(name))


def _completed(name: str) -> RecognitionCompleted:
    return RecognitionCompleted(recognition=Recognition(envelope=_envelope(name)))


def _envelope(name: str) -> Envelope:
    return Envelope(collection=_KEY, recognition_id=name, options=_OPTIONS)
