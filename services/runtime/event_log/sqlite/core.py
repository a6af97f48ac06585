"""What the parts of one open event log share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.kernel.errors import NotFound
from services.runtime.event_log.ports import TopicPartition
from services.runtime.event_log.sqlite.offsets import Offsets
from services.runtime.event_log.sqlite.writer import Writer


@dataclass(frozen=True)
class Core:
    """One open file: `numbers` names each partition in it; `check` raises Unavailable once it is closed."""

    path: Path
    numbers: Mapping[TopicPartition, int]
    partitions: Mapping[str, int]
    offsets: Offsets
    writer: Writer
    check: Callable[[], None]

    def sources(self, topics: Sequence[str]) -> tuple[TopicPartition, ...]:
        """Return all partitions of some topics. Raises NotFound for an unknown topic."""
        return tuple(
            TopicPartition(topic, partition) for topic in topics for partition in range(self.count(topic))
        )

    def count(self, topic: str) -> int:
        """Return the number of partitions of a topic. Raises NotFound."""
        if topic not in self.partitions:
            known = ", ".join(sorted(self.partitions)) or "none"
            raise NotFound(f"there is no topic {topic}; there is {known}", reason="UNKNOWN_TOPIC")
        return self.partitions[topic]
