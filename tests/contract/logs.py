"""Every event log there is, with topics of a test's own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.local.server import Running
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import (
    Commit,
    Consumer,
    EventLog,
    NewRecord,
    Record,
    Tail,
    TopicPartition,
)
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite import SqliteLog

PARTITIONS = 4
LATE_S = 3.0
PATIENCE_S = 30.0
Topics = Mapping[str, TopicSettings]
Open = Callable[[Path, Topics, pytest.FixtureRequest], AbstractContextManager[EventLog]]


@contextmanager
def sqlite(folder: Path, topics: Topics, request: pytest.FixtureRequest) -> Iterator[EventLog]:
    del request
    with closing(SqliteLog(folder / "events.db", topics)) as log:
        yield log


@contextmanager
def kafka(folder: Path, topics: Topics, request: pytest.FixtureRequest) -> Iterator[EventLog]:
    del folder
    server: Running = request.getfixturevalue("kafka_server")
    with closing(KafkaLog(server.settings["FOVEA_KAFKA_SERVERS"], topics)) as log:
        yield log


LOGS: dict[str, Open] = {"sqlite": sqlite, "kafka": kafka}


@dataclass(frozen=True)
class Bench:
    """An open log with names that no other test uses."""

    log: EventLog
    topic: str
    other: str
    prompt: str
    group: str = field(default_factory=lambda: f"group-{uuid.uuid4()}")

    def publish(self, *keys: str, value: bytes = b"x") -> None:
        self.log.publish([NewRecord(self.topic, key, value) for key in keys])

    def consumer(self, *topics: str) -> Consumer:
        return self.log.consumer(self.group, topics or [self.topic])

    def tail(self) -> Tail:
        return self.log.tail([self.topic], start="beginning")


def read(source: Consumer | Tail, count: int) -> list[Record]:
    """Return the next `count` records; fails if they do not come."""
    records: list[Record] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(records) < count and time.monotonic() < deadline:
        records += source.poll(0.2, most=count - len(records))
    assert len(records) == count
    return records


def join(consumer: Consumer, partitions: int = PARTITIONS) -> frozenset[TopicPartition]:
    """Poll until a lone member owns all partitions; there must be no records to read."""
    deadline = time.monotonic() + PATIENCE_S
    while len(consumer.assignment()) < partitions and time.monotonic() < deadline:
        assert not consumer.poll(0.05, most=1)
    return consumer.assignment()


def after(records: Sequence[Record]) -> dict[TopicPartition, Commit]:
    """Return the commits that say: these are done."""
    return {record.source: Commit(record.position.offset + 1) for record in records}


def keys(records: Sequence[Record]) -> set[str]:
    return {record.key for record in records}
