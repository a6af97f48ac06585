"""Reading all that is there, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from services.runtime.event_log.ports import EventLog, Record, TopicPartition

_BATCH: Final = 500
_WAIT_S: Final = 0.25


def read_to_end(log: EventLog, topics: Sequence[str]) -> Iterator[Record]:
    """Yield what the topics hold now, in order within a partition, and end. Raises Unavailable."""
    ends = {
        TopicPartition(topic, partition): offset
        for topic in topics
        for partition, offset in log.end_offsets(topic).items()
    }
    with log.tail(topics, start="beginning") as tail:
        while any(tail.position()[source] < end for source, end in ends.items()):
            for record in tail.poll(_WAIT_S, most=_BATCH):
                if record.position.offset < ends[record.source]:
                    yield record
