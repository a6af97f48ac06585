"""Which offset comes next in each partition, and who is to be woken when it has come."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from services.runtime.event_log.ports import Record, TopicPartition

Waker = threading.Event


def wait_for(read: Callable[[], Sequence[Record]], waker: Waker, *, timeout_s: float) -> Sequence[Record]:
    """Return what `read` gives, asking again whenever `waker` is set, until there is something."""
    deadline = time.monotonic() + timeout_s
    while True:
        waker.clear()  # before reading: what comes in between sets it again
        if records := read():
            return records
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return ()
        waker.wait(remaining)


class Offsets:
    """The ends of all partitions: one set that readers see, one that the transaction under way moves.

    Only the writer's thread calls `take` and the hooks, under the writer's lock.
    """

    def __init__(self, connection: sqlite3.Connection, numbers: Mapping[TopicPartition, int]) -> None:
        rows: dict[int, int] = dict(connection.execute("SELECT id, next_offset FROM partition"))
        self._ends = {number: rows[number] for number in numbers.values()}
        self._taken: dict[int, int] = {}
        self._topics = {number: source.topic for source, number in numbers.items()}
        self._wakers: dict[str, set[Waker]] = {source.topic: set() for source in numbers}
        self._lock = threading.Lock()

    def end(self, number: int) -> int:
        """Return the offset that the next durable record of a partition gets."""
        return self._ends[number]

    def take(self, number: int) -> int:
        """Give the next offset of a partition to a record of the transaction under way."""
        offset = self._taken.get(number, self._ends[number])
        self._taken[number] = offset + 1
        return offset

    def watch(self, topics: Iterable[str], waker: Waker) -> None:
        """Set `waker` whenever one of the topics has grown."""
        with self._lock:
            for topic in topics:
                self._wakers[topic] = self._wakers[topic] | {waker}

    def unwatch(self, topics: Iterable[str], waker: Waker) -> None:
        """Undo `watch`."""
        with self._lock:
            for topic in topics:
                self._wakers[topic] = self._wakers[topic] - {waker}

    def wake_all(self) -> None:
        """Set every waker there is."""
        for wakers in list(self._wakers.values()):
            for waker in wakers:
                waker.set()

    def before_commit(self, connection: sqlite3.Connection) -> None:
        """Store the ends, so that an offset is never given twice even when its record was compacted away."""
        rows = [(end, number) for number, end in self._taken.items()]
        connection.executemany("UPDATE partition SET next_offset = ? WHERE id = ?", rows)

    def committed(self) -> None:
        """Show the new ends and wake whoever waits for them."""
        taken, self._taken = self._taken, {}
        self._ends.update(taken)
        for topic in {self._topics[number] for number in taken}:
            for waker in self._wakers[topic]:
                waker.set()

    def rolled_back(self) -> None:
        """Give the offsets back: nobody has seen them."""
        self._taken = {}
