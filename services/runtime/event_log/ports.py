"""What the platform needs from an event log: Kafka's semantics, in few words.

A topic has a fixed number of partitions. Records of one key keep their order, because a key always
falls into the same partition. A record without a value says that its key is deleted; a compacted topic
forgets a key's older records some time after a newer one arrives, and never renumbers offsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from services.runtime.tracing import OpenSpan


class TopicPartition(NamedTuple):
    """One ordered part of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True)
class NewRecord:
    """A record to publish. `value=None` deletes the key in a compacted topic.

    Whoever publishes ends its `span`, if it has one; the log itself knows nothing of it.

    Args:
        topic: Where to.
        key: What it is about.
        value: What is said of it.
        headers: Beside the value.
        span: Of its publishing.
        as_of_s: When the writer last knew that this is its to say, in seconds since the epoch; None is now.
    """

    topic: str
    key: str
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    span: OpenSpan | None = field(default=None, compare=False, repr=False)
    as_of_s: float | None = None


class Position(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Record:
    """A record as read. `timestamp_s`, since the epoch, is its `as_of_s`, or else when it was published."""

    position: Position
    key: str
    value: bytes | None
    headers: Mapping[str, str]
    timestamp_s: float

    @property
    def source(self) -> TopicPartition:
        """The partition that it was read from."""
        return TopicPartition(self.position.topic, self.position.partition)


class Commit(NamedTuple):
    """A group's place in one partition: the next offset to read, and a note of up to 4,096 bytes."""

    offset: int
    metadata: str = ""


@runtime_checkable
class Consumer(Protocol):
    """One member of a group. Each partition belongs to one member at a time. Not thread-safe."""

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Record]:
        """Return the next records of the assigned, unpaused partitions, in order within a partition.

        Waits up to `timeout_s` seconds for the first one. A new member starts at the committed offset,
        or at the beginning of the partition if the group never committed. Raises Unavailable.
        """
        ...

    def commit(self, commits: Mapping[TopicPartition, Commit]) -> None:
        """Make the group's place durable. Raises Conflict if a partition is no longer assigned here."""
        ...

    def committed(self, source: TopicPartition) -> Commit | None:
        """Return the group's place in one partition, or None if it never committed."""
        ...

    def position(self, source: TopicPartition) -> int | None:
        """Return the offset that `poll` goes on from, past gaps; None if that is not known. Never waits."""
        ...

    def assignment(self) -> frozenset[TopicPartition]:
        """Return the partitions that belong to this member now."""
        ...

    def sharings(self) -> int:
        """Return how often the group was shared out anew, as far as this member saw."""
        ...

    def pause(self, sources: frozenset[TopicPartition]) -> None:
        """Return no records of these partitions until `resume`, without leaving the group."""
        ...

    def resume(self, sources: frozenset[TopicPartition]) -> None:
        """Undo `pause`."""
        ...

    def close(self) -> None:
        """Leave the group; its partitions go to other members."""
        ...

    def __enter__(self) -> Consumer: ...  # noqa: PYI034  (beartype cannot check Self)

    def __exit__(self, *_: object) -> None: ...


@runtime_checkable
class Tail(Protocol):
    """Reads every partition of some topics without a group. Not thread-safe."""

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Record]:
        """Return the next records, in order within a partition; waits for the first. Raises Unavailable."""
        ...

    def position(self) -> Mapping[TopicPartition, int]:
        """Return, for each partition, the offset that `poll` goes on from, past gaps."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...

    def __enter__(self) -> Tail: ...  # noqa: PYI034  (beartype cannot check Self)

    def __exit__(self, *_: object) -> None: ...


Start = Literal["beginning", "end"]


@runtime_checkable
class EventLog(Protocol):
    """Durable topics, safe to use from many threads. `system` is the kind of log, as traces name it."""

    @property
    def system(self) -> str:
        """Return `kafka`, `sqlite` and the like."""
        ...

    def publish(self, records: Sequence[NewRecord]) -> Sequence[Position]:
        """Append the records, in order; when it returns, all are durable.

        Raises NotFound for an unknown topic, Unavailable if durability cannot be promised: then some
        records may have been written, and the caller tries again with the same event ids. Its reason is
        TOO_LATE if a record is of longer ago than its topic takes, by the clock of whoever keeps the log.
        """
        ...

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join a group that shares the partitions of these topics."""
        ...

    def tail(self, topics: Sequence[str], *, start: Start | Mapping[TopicPartition, int] = "end") -> Tail:
        """Read without a group: from the beginning, the end, or given offsets (missing ones: beginning).

        "end" means the end at the time of this call: a record published after it returned is seen.
        """
        ...

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        """Return, for each partition, the offset that the next record will get."""
        ...

    def identity(self, topic: str) -> str:
        """Return what tells this topic from any other of its name, such as one of a log that was made anew.

        Offsets of one mean nothing to the other. Raises NotFound for an unknown topic, Unavailable.
        """
        ...

    def close(self) -> None:
        """Release everything."""
        ...
