"""A member of a group."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from services.kernel.errors import Conflict, InvalidInput
from services.runtime.event_log.ports import Commit, Record, TopicPartition
from services.runtime.event_log.sqlite.core import Core
from services.runtime.event_log.sqlite.groups import Group, Member
from services.runtime.event_log.sqlite.offsets import Waker, wait_for
from services.runtime.event_log.sqlite.reader import Reader

METADATA_LIMIT_BYTES = 4096
PLACE = """
INSERT INTO place (member_group, partition_id, next_offset, metadata) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset, metadata = excluded.metadata
"""


class SqliteConsumer:
    """One member of a group."""

    def __init__(self, core: Core, name: str, group: Group, sources: Sequence[TopicPartition]) -> None:
        self._core = core
        self._name = name
        self._group = group
        self._reader = Reader(core)
        self._paused: frozenset[TopicPartition] = frozenset()
        self._topics = {source.topic for source in sources}
        self._waker = Waker()
        self._member = Member(sources, self._waker)
        self._closed = False
        core.offsets.watch(self._topics, self._waker)
        group.join(self._member)

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Record]:
        """Take over or give up partitions, then return the next records."""
        return wait_for(lambda: self._read(most), self._waker, timeout_s=timeout_s)

    def commit(self, commits: Mapping[TopicPartition, Commit]) -> None:
        """Make the group's place durable, in one transaction with whatever else is being written.

        A place that is durable already is not written again: that is how a member asks for its group.
        """
        if foreign := sorted(set(commits) - self._member.owned):
            message = f"{foreign} is not assigned to this member of group {self._name}"
            raise Conflict(message, reason="PARTITION_NOT_ASSIGNED")
        if any(len(commit.metadata.encode()) > METADATA_LIMIT_BYTES for commit in commits.values()):
            raise InvalidInput(f"the note is longer than {METADATA_LIMIT_BYTES} bytes", field="metadata")
        rows = [
            (self._name, self._core.numbers[source], *commit)
            for source, commit in commits.items()
            if commit != self.committed(source)
        ]
        if rows:
            self._core.writer.run(lambda connection: _store(connection, rows))

    def committed(self, source: TopicPartition) -> Commit | None:
        """Return the group's place in one partition."""
        return self._reader.place(self._name, source)

    def position(self, source: TopicPartition) -> int | None:
        """Return where the next poll goes on."""
        return self._reader.positions.get(source)

    def sharings(self) -> int:
        """Return how often polls found the group shared out anew."""
        return self._member.sharings

    def assignment(self) -> frozenset[TopicPartition]:
        """Return what the last poll left assigned."""
        return self._member.owned

    def pause(self, sources: frozenset[TopicPartition]) -> None:
        """Leave these partitions out of polls."""
        self._paused |= sources

    def resume(self, sources: frozenset[TopicPartition]) -> None:
        """Read these partitions again, from where polls left them."""
        self._paused -= sources

    def close(self) -> None:
        """Leave the group."""
        if not self._closed:
            self._closed = True
            self._group.leave(self._member)
            self._core.offsets.unwatch(self._topics, self._waker)
            self._reader.close()

    def __enter__(self) -> SqliteConsumer:  # noqa: PYI034  (beartype cannot check Self)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, most: int) -> Sequence[Record]:
        self._core.check()
        self._take_over()
        return self._reader.read(self._member.owned - self._paused, most=most)

    def _take_over(self) -> None:
        """Follow the group: forget the partitions that were lost, start where the group left the gained."""
        owned = self._group.sync(self._member)
        positions = self._reader.positions
        if owned == positions.keys():
            return
        for lost in positions.keys() - owned:
            del positions[lost]
        for gained in owned - positions.keys():
            commit = self.committed(gained)
            positions[gained] = commit.offset if commit else 0
        self._paused &= owned


def _store(connection: sqlite3.Connection, rows: Sequence[tuple[str, int, int, str]]) -> None:
    connection.executemany(PLACE, rows)
