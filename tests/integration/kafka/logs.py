"""Logs over real brokers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from infra.local.server import Running
from services.kernel.errors import Unavailable
from services.runtime.event_log.kafka import KafkaLog, KafkaOptions
from services.runtime.event_log.ports import Consumer, NewRecord, Record, Tail, TopicPartition
from services.runtime.event_log.settings import TopicSettings

PATIENCE_S = 60.0
KIB = 1024


def servers(server: Running) -> str:
    return server.settings["FOVEA_KAFKA_SERVERS"]


def a_topic(partitions: int = 2) -> dict[str, TopicSettings]:
    return {f"things.done-{uuid.uuid4()}": TopicSettings(partitions)}


@contextmanager
def opened(
    server: Running, topics: Mapping[str, TopicSettings], options: KafkaOptions | None = None
) -> Iterator[KafkaLog]:
    with closing(KafkaLog(servers(server), topics, options=options)) as log:
        yield log


def everything(log: KafkaLog, topic: str) -> list[Record]:
    """Return all records up to the end of each partition."""
    ends = {TopicPartition(topic, partition): end for partition, end in log.end_offsets(topic).items()}
    records: list[Record] = []
    with log.tail([topic], start="beginning") as tail:
        end_s = time.monotonic() + PATIENCE_S
        while any(tail.position()[source] < end for source, end in ends.items()):
            assert time.monotonic() < end_s
            records += tail.poll(0.2, most=500)
    return records


def read(consumer: Consumer | Tail, count: int) -> list[Record]:
    records: list[Record] = []
    end_s = time.monotonic() + PATIENCE_S
    while len(records) < count:
        assert time.monotonic() < end_s, f"{len(records)} of {count}"
        records += consumer.poll(0.2, most=count - len(records))
    return records


def publish_in_the_end(log: KafkaLog, records: Sequence[NewRecord]) -> None:
    """Publish as an event loop does: again until it is confirmed."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            log.publish(records)
        except Unavailable:
            assert time.monotonic() < end_s
        else:
            return
