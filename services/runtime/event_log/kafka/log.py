"""The event log itself: publishing, and the way to its readers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import kafka
from kafka import TopicPartition as KafkaPartition
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from services.kernel.errors import Conflict, NotFound, Unavailable
from services.runtime.event_log.kafka.connecting import connect
from services.runtime.event_log.kafka.consumer import KafkaConsumer
from services.runtime.event_log.kafka.errors import FOREIGN, translate
from services.runtime.event_log.kafka.options import KafkaOptions, consuming, joining
from services.runtime.event_log.kafka.producer import Producer
from services.runtime.event_log.kafka.records import encode
from services.runtime.event_log.kafka.tail import KafkaTail
from services.runtime.event_log.kafka.topics import ensure_topics, identity_of, patiently
from services.runtime.event_log.ports import NewRecord, Position, Start, TopicPartition
from services.runtime.event_log.settings import TopicSettings

_CLOSING_S: Final = 1.0


class KafkaLog:
    """An event log on Kafka, for any number of processes with any number of threads.

    What `publish` returns from is on all in-sync copies. A record's partition follows from its key by
    Kafka's own rule, so that other programs that publish find the same.

    Args:
        servers: Brokers to begin with, as `host:port,host:port`.
        topics: The topics there are; created if they are missing.
        options: Sizes and times.

    Raises:
        Conflict: A topic's number of partitions is another.
        Unavailable: No broker answers.
    """

    system = "kafka"

    def __init__(
        self, servers: str, topics: Mapping[str, TopicSettings], *, options: KafkaOptions | None = None
    ) -> None:
        self._servers = servers
        self._options = options or KafkaOptions()
        self._topics = dict(topics)
        self._closed = threading.Event()
        ensure_topics(servers, topics, self._options)
        self._producer = Producer(servers, self._options)
        self._asking = _Asking(servers, self._options)

    def publish(self, records: Sequence[NewRecord]) -> Sequence[Position]:
        """Append the records; none is sent if one of them cannot be."""
        self._check()
        for record in records:
            self._known(record.topic)
        encoded = [encode(record, most=self._options.record_bytes) for record in records]
        return self._producer.publish(encoded) if encoded else ()

    def consumer(self, group: str, topics: Sequence[str]) -> KafkaConsumer:
        """Join a group; partitions are assigned in polls."""
        self._check()
        for topic in topics:
            self._known(topic)
        given = joining(self._servers, self._options, group_id(group, topics))
        given |= {"partition_assignment_strategy": [StickyPartitionAssignor]}

        def join() -> Any:
            return connect(kafka.KafkaConsumer, given)

        return KafkaConsumer(join, topics, self._options, self._check)

    def tail(
        self, topics: Sequence[str], *, start: Start | Mapping[TopicPartition, int] = "end"
    ) -> KafkaTail:
        """Read without a group. Raises Conflict if a given offset lies beyond the end of its partition."""
        self._check()
        sources = [source for topic in topics for source in self._sources(topic)]
        ends = self._asking.ends(sources)
        positions = ends if start == "end" else self._asking.beginnings(sources)
        if isinstance(start, Mapping):
            given = {source: offset for source, offset in start.items() if source in positions}
            positions = {**positions, **given}
        if beyond := sorted(source for source in sources if positions[source] > ends[source]):
            message = f"{beyond} ends before the offset to start from; it belongs to another event log"
            raise Conflict(message, reason="OFFSET_BEYOND_END")
        return KafkaTail(_reader(self._servers, self._options), positions, self._check)

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        """Return the end of each partition."""
        self._check()
        ends = self._asking.ends(self._sources(topic))
        return {source.partition: offset for source, offset in ends.items()}

    def identity(self, topic: str) -> str:
        """Return the id that Kafka gave the topic when it was created."""
        self._check()
        self._known(topic)
        return identity_of(self._servers, topic, self._options)

    def close(self) -> None:
        """Send what is on its way and let all readers go: they raise Unavailable."""
        if not self._closed.is_set():
            self._closed.set()
            self._producer.close()
            self._asking.close()

    def _check(self) -> None:
        if self._closed.is_set():
            raise Unavailable("the event log is closed")

    def _known(self, topic: str) -> TopicSettings:
        if topic not in self._topics:
            known = ", ".join(sorted(self._topics)) or "none"
            raise NotFound(f"there is no topic {topic}; there is {known}", reason="UNKNOWN_TOPIC")
        return self._topics[topic]

    def _sources(self, topic: str) -> list[TopicPartition]:
        count = self._known(topic).partitions
        return [TopicPartition(topic, partition) for partition in range(count)]


def group_id(group: str, topics: Sequence[str]) -> str:
    """Return the group's name in Kafka: members that read other topics are a group of their own.

    In one group a member that joins would make those of all topics stop and share out anew, and whoever
    does the sharing may not know of a topic that only others read: then nobody gets its partitions.
    """
    return f"{group}:{'+'.join(sorted(topics))}"


class _Asking:
    """Asks for offsets, from any thread, over one connection that is opened when it is needed."""

    def __init__(self, servers: str, options: KafkaOptions) -> None:
        self._servers = servers
        self._options = options
        self._lock = threading.Lock()
        self._inner: Any = None
        self._closed = False

    def ends(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset that the next record of each partition will get. Raises Unavailable."""
        return self._ask("end_offsets", sources)

    def beginnings(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset of each partition's first record. Raises Unavailable."""
        return self._ask("beginning_offsets", sources)

    def close(self) -> None:
        """Close the connection; if it is in use and no broker answers, whoever uses it closes it then."""
        self._closed = True
        if self._lock.acquire(timeout=_CLOSING_S):
            try:
                self._drop()
            finally:
                self._lock.release()

    def _ask(self, method: str, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        def ask() -> dict[TopicPartition, int]:
            with self._connected() as inner:
                partitions = [KafkaPartition(*source) for source in sources]
                timeout_ms = self._options.request_s * 1000
                found = getattr(inner, method)(partitions, timeout_ms=timeout_ms)
                return {source: found[KafkaPartition(*source)] for source in sources}

        return patiently(ask, "read offsets from Kafka", self._options.connect_s)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Lend the connection to one thread at a time; after an error the next one opens another."""
        with self._lock:
            if self._closed:
                raise Unavailable("the event log is closed")
            if self._inner is None:
                self._inner = connect(kafka.KafkaConsumer, consuming(self._servers, self._options))
            try:
                yield self._inner
            except FOREIGN:
                self._drop()
                raise
            finally:
                if self._closed:
                    self._drop()

    def _drop(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.close()


def _reader(servers: str, options: KafkaOptions) -> Any:
    try:
        return connect(kafka.KafkaConsumer, consuming(servers, options))
    except FOREIGN as error:
        raise translate(error, "cannot reach Kafka") from error
