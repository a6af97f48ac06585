"""The event log itself: publishing, and the way to its readers."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.kernel.errors import Conflict, InvalidInput, Unavailable
from services.runtime.event_log.ports import NewRecord, Position, Start, TopicPartition
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite.compaction import Compaction, Compactor
from services.runtime.event_log.sqlite.consumer import SqliteConsumer
from services.runtime.event_log.sqlite.core import Core
from services.runtime.event_log.sqlite.groups import Group
from services.runtime.event_log.sqlite.offsets import Offsets
from services.runtime.event_log.sqlite.storage import (
    FileLock,
    ensure_partitions,
    identity_of,
    open_file,
    record_id,
)
from services.runtime.event_log.sqlite.tail import SqliteTail
from services.runtime.event_log.sqlite.writer import Writer

INSERT = "INSERT INTO record (id, timestamp_s, key, headers, value) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class _Row:
    """A record ready to be written."""

    source: TopicPartition
    number: int
    values: tuple[str, str, bytes | None]  # key, headers, value
    as_of_s: float | None
    late_s: float | None


class SqliteLog:
    """An event log in one file, for one process with any number of threads.

    What `publish` and `commit` return from is on disk (write-ahead log, synchronous = FULL): it survives
    kill -9 and a power cut. Callers that write at the same time share one commit.

    Args:
        path: The file; beside it stand its write-ahead log and a lock that keeps other processes out.
        topics: The topics there are. Others that the file holds stay untouched and out of reach.
        compaction: When to forget what.

    Raises:
        Conflict: Another process has it open, or a topic's number of partitions changed.
        Unsupported: Another version wrote it.
        Corrupt: It is no event log.
    """

    system = "sqlite"

    def __init__(
        self, path: Path, topics: Mapping[str, TopicSettings], *, compaction: Compaction | None = None
    ) -> None:
        self._closed = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file_lock = FileLock(path)
        try:
            self._core = self._open(path, topics)
        except BaseException:
            self._file_lock.release()
            raise
        self._late_s = {topic: settings.late_s for topic, settings in topics.items()}
        self._groups: dict[str, Group] = {}
        self._groups_lock = threading.Lock()
        self._compactor = Compactor(self._core, topics, compaction or Compaction())

    def publish(self, records: Sequence[NewRecord]) -> Sequence[Position]:
        """Append the records in one transaction: all of them or none."""
        if not records:
            return ()
        rows = [self._row(record) for record in records]
        positions = self._core.writer.run(lambda connection: self._insert(connection, rows))
        self._compactor.notice({row.source for row in rows})
        return positions

    def consumer(self, group: str, topics: Sequence[str]) -> SqliteConsumer:
        """Join a group; partitions are assigned in the first poll."""
        self._check()
        sources = self._core.sources(topics)
        with self._groups_lock:
            state = self._groups.setdefault(group, Group())
        return SqliteConsumer(self._core, group, state, sources)

    def tail(
        self, topics: Sequence[str], *, start: Start | Mapping[TopicPartition, int] = "end"
    ) -> SqliteTail:
        """Read without a group. Raises Conflict if a given offset lies beyond the end of its partition."""
        self._check()
        sources = self._core.sources(topics)
        ends = {source: self._core.offsets.end(self._core.numbers[source]) for source in sources}
        positions = ends if start == "end" else dict.fromkeys(sources, 0)
        if isinstance(start, Mapping):
            positions |= {source: offset for source, offset in start.items() if source in positions}
        if beyond := sorted(source for source in sources if positions[source] > ends[source]):
            message = f"{beyond} ends before the offset to start from; it belongs to another event log"
            raise Conflict(message, reason="OFFSET_BEYOND_END")
        return SqliteTail(self._core, positions)

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        """Return the end of each partition."""
        self._check()
        return {
            source.partition: self._core.offsets.end(self._core.numbers[source])
            for source in self._core.sources([topic])
        }

    def identity(self, topic: str) -> str:
        """Return the name of the file's records, and the topic."""
        self._check()
        self._core.count(topic)
        return f"{self._identity}/{topic}"

    def compact(self, topic: str) -> int:
        """Forget what a topic may forget, now instead of some time soon; return how many records went."""
        self._check()
        return sum(self._compactor.compact(source) for source in self._core.sources([topic]))

    def close(self) -> None:
        """Finish the write under way, wake all readers (they raise Unavailable) and let the file go."""
        if self._closed:
            return
        self._closed = True
        self._compactor.close()
        self._core.writer.close()
        self._core.offsets.wake_all()
        self._file_lock.release()

    def _open(self, path: Path, topics: Mapping[str, TopicSettings]) -> Core:
        connection = open_file(path)
        try:
            numbers = ensure_partitions(connection, topics)
            offsets = Offsets(connection, numbers)
            self._identity = identity_of(connection)
        except BaseException:
            connection.close()
            raise
        partitions = {topic: settings.partitions for topic, settings in topics.items()}
        return Core(path, numbers, partitions, offsets, Writer(connection, offsets), self._check)

    def _check(self) -> None:
        if self._closed:
            raise Unavailable("the event log is closed")

    def _row(self, record: NewRecord) -> _Row:
        count = self._core.count(record.topic)
        try:
            source = TopicPartition(record.topic, zlib.crc32(record.key.encode()) % count)
        except UnicodeEncodeError as error:
            raise InvalidInput(f"key {record.key!r} is not valid Unicode", field="key") from error
        headers = json.dumps(dict(record.headers), separators=(",", ":"))
        values = record.key, headers, record.value
        return _Row(source, self._core.numbers[source], values, record.as_of_s, self._late_s[record.topic])

    def _insert(self, connection: sqlite3.Connection, rows: Sequence[_Row]) -> list[Position]:
        times_s = _times_s(rows, time.time())
        offsets = [self._core.offsets.take(row.number) for row in rows]
        numbered = list(zip(rows, offsets, strict=True))
        ids = [record_id(row.number, offset) for row, offset in numbered]
        connection.executemany(
            INSERT,
            [(each, at_s, *row.values) for each, at_s, row in zip(ids, times_s, rows, strict=True)],
        )
        return [Position(row.source.topic, row.source.partition, offset) for row, offset in numbered]


def _times_s(rows: Sequence[_Row], now_s: float) -> list[float]:
    """Return what each row's time is. Raises Unavailable if one comes too late."""
    times_s = [now_s if row.as_of_s is None else row.as_of_s for row in rows]
    for row, time_s in zip(rows, times_s, strict=True):
        if row.late_s is not None and now_s - time_s > row.late_s:
            message = (
                f"a record for {row.source.topic} comes {now_s - time_s:.1f} s late (at most {row.late_s:g})"
            )
            raise Unavailable(message, reason="TOO_LATE")
    return times_s
