"""Reading on from a position in each of several partitions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from services.kernel.errors import InvalidInput, Unavailable
from services.runtime.event_log.ports import Commit, Position, Record, TopicPartition
from services.runtime.event_log.sqlite.core import Core
from services.runtime.event_log.sqlite.storage import connect, offset_of, record_id

RECORDS = """
SELECT id, timestamp_s, key, headers, value FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?
"""
PLACE = "SELECT next_offset, metadata FROM place WHERE member_group = ? AND partition_id = ?"


class Reader:
    """Remembers a position per partition and reads the records that follow. One thread at a time."""

    def __init__(self, core: Core) -> None:
        self._connection = connect(core.path)
        self._numbers = core.numbers
        self._offsets = core.offsets
        self._turn = 0
        self.positions: dict[TopicPartition, int] = {}

    def read(self, sources: Iterable[TopicPartition], *, most: int) -> list[Record]:
        """Return up to `most` next records of these partitions, each read from its position on.

        Partitions take turns in being first, so that a busy one does not starve the rest.
        """
        if most < 1:
            raise InvalidInput(f"most={most} must be at least 1", field="most")
        waiting = sorted(source for source in sources if self._behind(source))
        if not waiting:
            return []
        self._turn += 1
        first = self._turn % len(waiting)
        records: list[Record] = []
        for source in waiting[first:] + waiting[:first]:
            if len(records) < most:
                records += self._read_one(source, most - len(records))
        return records

    def place(self, group: str, source: TopicPartition) -> Commit | None:
        """Return what a group committed for a partition."""
        rows = self._fetch(PLACE, (group, self._numbers[source]))
        return Commit(*rows[0]) if rows else None

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def _behind(self, source: TopicPartition) -> bool:
        return self.positions[source] < self._offsets.end(self._numbers[source])

    def _read_one(self, source: TopicPartition, most: int) -> list[Record]:
        number = self._numbers[source]
        end = self._offsets.end(number)  # looked up first: all before it is there to be read
        bounds = record_id(number, self.positions[source]), record_id(number, end)
        rows = self._fetch(RECORDS, (*bounds, most))
        complete = len(rows) < most
        self.positions[source] = end if complete else offset_of(rows[-1][0]) + 1
        return [_record(source, row) for row in rows]

    def _fetch(self, query: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"the event log could not read: {error}") from error


def _record(source: TopicPartition, row: tuple[int, float, str, str, bytes | None]) -> Record:
    identity, timestamp_s, key, headers, value = row
    position = Position(source.topic, source.partition, offset_of(identity))
    return Record(position, key, value, json.loads(headers), timestamp_s)
