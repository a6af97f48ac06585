"""A reader without a group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import TopicPartition as KafkaPartition

from services.runtime.event_log.kafka.errors import translated
from services.runtime.event_log.kafka.polling import fetch, poll
from services.runtime.event_log.ports import Record, TopicPartition


class KafkaTail:
    """Reads all partitions of some topics from given positions on.

    Args:
        inner: A consumer of the library, of this reader's own: it is not safe to share.
        positions: Where to begin, for each partition.
        check: Raises Unavailable once the log is closed.
    """

    def __init__(
        self, inner: Any, positions: Mapping[TopicPartition, int], check: Callable[[], None]
    ) -> None:
        self._inner = inner
        self._check = check
        self._positions = dict(positions)
        with translated("cannot read from Kafka"):
            inner.assign([KafkaPartition(*source) for source in positions])
            for source, offset in positions.items():
                inner.seek(KafkaPartition(*source), offset)

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Record]:
        """Return the next records of all partitions."""
        records = poll(self._turn, self._check, timeout_s=timeout_s, most=most)
        for record in records:
            self._positions[record.source] = record.position.offset + 1
        return records

    def position(self) -> Mapping[TopicPartition, int]:
        """Return the next offset of each partition, past what compaction took away."""
        for source, seen in self._positions.items():
            with translated("cannot tell the position"):
                offset = self._inner.position(KafkaPartition(*source), timeout_ms=0)
            if offset is not None:
                self._positions[source] = max(seen, offset)
        return dict(self._positions)

    def close(self) -> None:
        """Stop reading."""
        with translated("cannot stop reading"):
            self._inner.close()

    def __enter__(self) -> KafkaTail:  # noqa: PYI034  (beartype cannot check Self)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _turn(self, timeout_s: float, most: int) -> list[Record]:
        return fetch(self._inner, timeout_s, most)
