"""Forgetting: superseded records of compacted topics, and old records of topics with a retention.

What may go is found by reading, beside the writers, and deleted in small transactions between theirs.
Deletion follows the offsets, so that a key's tombstone never goes before the values that it deletes, even
if the process is killed half-way. Readers that are half-way see the newest record of every key in any case,
because that one stays; offsets of the others become gaps.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from services.kernel.errors import FoveaError
from services.runtime.event_log.ports import TopicPartition
from services.runtime.event_log.settings import SUPERSEDED_S, TOMBSTONES_S, TopicSettings
from services.runtime.event_log.sqlite.core import Core
from services.runtime.event_log.sqlite.storage import connect, record_id

SUPERSEDED = """
SELECT id FROM record WHERE id >= :first AND id < :end AND (
    id NOT IN (SELECT max(id) FROM record WHERE id >= :first AND id < :end GROUP BY key)
    OR (value IS NULL AND timestamp_s < :oldest)
) ORDER BY id
"""
OUTDATED = "SELECT id FROM record WHERE id >= :first AND id < :end AND timestamp_s < :oldest ORDER BY id"
COUNT = "SELECT count(*) FROM record WHERE id >= ? AND id < ?"
DELETE = "DELETE FROM record WHERE id = ?"
CLEANED = "UPDATE partition SET cleaned_until = ?, cleaned_count = ? WHERE id = ?"
STATE = "SELECT id, cleaned_until, cleaned_count FROM partition"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compaction:
    """When to forget.

    Args:
        tombstones_s: How long a record without a value is kept: within this time everybody who ever read
            the key must have read on, or must start again from the beginning. A day, as in Kafka.
        least_new: A compacted partition is cleaned when it has this many new records and no fewer than it
            had left after the last time, so that cleaning costs each record a constant.
        least_often_s: It is also cleaned after this time, if it has any new record.
        every_s: How often topics with a retention are looked at.
        batch: Records deleted in one transaction.
    """

    tombstones_s: float = TOMBSTONES_S
    least_new: int = 1_000
    least_often_s: float = SUPERSEDED_S
    every_s: float = 600.0
    batch: int = 500


class Compactor:
    """Forgets in the background, in a thread that starts when there is something to forget."""

    def __init__(self, core: Core, topics: Mapping[str, TopicSettings], rules: Compaction) -> None:
        self._core = core
        self._topics = topics
        self._rules = rules
        with closing(connect(core.path)) as connection:
            rows = connection.execute(STATE).fetchall()
        self._state: dict[int, tuple[int, int]] = {number: (until, count) for number, until, count in rows}
        self._cleaned_at = dict.fromkeys(self._state, time.monotonic())
        self._one_at_a_time = threading.Lock()
        self._due: set[TopicPartition] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        if any(self._expires(source) for source in core.numbers):
            self._start()

    def notice(self, sources: Iterable[TopicPartition]) -> None:
        """Look whether these partitions, which have grown, are worth cleaning; if so, do it soon."""
        due = {source for source in sources if self._is_due(source)}
        if due:
            with self._lock:
                self._due |= due
            self._start()
            self._wake.set()

    def compact(self, source: TopicPartition) -> int:
        """Clean one partition now and return how many records went."""
        with self._one_at_a_time, closing(connect(self._core.path)) as connection:
            number = self._core.numbers[source]
            end = self._core.offsets.end(number)
            identities = self._forgettable(connection, source, end)
            for start in range(0, len(identities), self._rules.batch):
                if self._stopping:
                    return start
                self._delete(identities[start : start + self._rules.batch])
            bounds = record_id(number, 0), record_id(number, end)
            (count,) = connection.execute(COUNT, bounds).fetchone()
            self._core.writer.run(lambda writing: _execute(writing, CLEANED, [(end, count, number)]))
            self._state[number] = (end, count)
            self._cleaned_at[number] = time.monotonic()
        return len(identities)

    def close(self) -> None:
        """Stop after the transaction under way."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _forgettable(self, connection: sqlite3.Connection, source: TopicPartition, end: int) -> list[int]:
        number = self._core.numbers[source]
        settings = self._topics[source.topic]
        bounds = {"first": record_id(number, 0), "end": record_id(number, end)}
        if settings.compacted:
            values = bounds | {"oldest": time.time() - self._rules.tombstones_s}
            return [row[0] for row in connection.execute(SUPERSEDED, values)]
        if settings.retention_s is not None:
            values = bounds | {"oldest": time.time() - settings.retention_s}
            return [row[0] for row in connection.execute(OUTDATED, values)]
        return []

    def _delete(self, identities: Sequence[int]) -> None:
        rows = [(identity,) for identity in identities]
        self._core.writer.run(lambda connection: _execute(connection, DELETE, rows))

    def _expires(self, source: TopicPartition) -> bool:
        settings = self._topics[source.topic]
        return settings.retention_s is not None and not settings.compacted

    def _is_due(self, source: TopicPartition) -> bool:
        if not self._topics[source.topic].compacted:
            return False
        number = self._core.numbers[source]
        until, count = self._state[number]
        new = self._core.offsets.end(number) - until
        waited_s = time.monotonic() - self._cleaned_at[number]
        return new >= max(self._rules.least_new, count) or (new > 0 and waited_s >= self._rules.least_often_s)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="event-log-compaction", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            for source in self._take_due():
                self._compact_quietly(source)
            self._wake.wait(self._rules.every_s)

    def _take_due(self) -> set[TopicPartition]:
        with self._lock:
            due, self._due = self._due, set()
        due |= {source for source in self._core.numbers if self._is_due(source)}
        return due | {source for source in self._core.numbers if self._expires(source)}

    def _compact_quietly(self, source: TopicPartition) -> None:
        """Clean; a failure costs space, not records, so it is logged and tried again with the next one."""
        if self._stopping:
            return
        try:
            self.compact(source)
        except (FoveaError, sqlite3.Error):
            _log.warning("could not compact %s", source, exc_info=True)


def _execute(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[int, ...]]) -> None:
    connection.executemany(statement, rows)
