"""The file: its lock, its version, its tables, and the numbers that name a record in it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.kernel.errors import Conflict, Corrupt, Unavailable, Unsupported
from services.runtime.event_log.ports import TopicPartition
from services.runtime.event_log.settings import TopicSettings

APPLICATION_ID: Final = 0x464F5645  # "FOVE": tells our files from other SQLite files
VERSION: Final = 1
WAL_LIMIT_BYTES: Final = 64 * 2**20

# A record's id is its partition's number and its offset in one integer, so that each partition is one
# range of the table's own tree and reading on is a range scan. The value comes last: a scan over keys
# then never touches the pages that long values overflow into.
OFFSET_BITS: Final = 40
SCHEMA: Final = """
CREATE TABLE partition (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL DEFAULT 0,
    cleaned_until INTEGER NOT NULL DEFAULT 0,
    cleaned_count INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, partition)
);
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    timestamp_s REAL NOT NULL,
    key TEXT NOT NULL,
    headers TEXT NOT NULL,
    value BLOB
);
CREATE TABLE place (
    member_group TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (member_group, partition_id)
) WITHOUT ROWID;
"""


def record_id(partition_id: int, offset: int) -> int:
    """Return the id of the record at an offset of a partition."""
    return (partition_id << OFFSET_BITS) + offset


def offset_of(identity: int) -> int:
    """Return the offset within its partition that a record id stands for."""
    return identity & ((1 << OFFSET_BITS) - 1)


class FileLock:
    """Keeps other processes out; the kernel lets go of it when the process dies.

    It locks a file beside the database: closing any descriptor of the database itself would silently
    drop SQLite's own locks on it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise Conflict(
                f"event log {path} is in use by process {holder or 'unknown'}; stop that one first",
                reason="EVENT_LOG_IN_USE",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others in."""
        os.close(self._descriptor)


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that any one thread at a time may use; a transaction starts only on BEGIN."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    return connection


def open_file(path: Path) -> sqlite3.Connection:
    """Open or create the file.

    Raises:
        Unsupported: Another version of the event log, or another program, wrote it.
        Corrupt: It is no database, or a damaged one.
        Unavailable: It cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = connect(path)
    except sqlite3.OperationalError as error:
        raise _unopened(path, error) from error
    except sqlite3.DatabaseError as error:
        raise Corrupt(f"{path} is not an event log: {error}") from error
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    try:
        if _is_new(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            _create(connection)
        _check_version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:  # the disk's doing, a full one's for instance; not the file's
        raise _unopened(path, error) from error
    except sqlite3.DatabaseError as error:
        raise Corrupt(f"{path} is not an event log, or is damaged: {error}") from error


def _unopened(path: Path, error: sqlite3.Error) -> Unavailable:
    return Unavailable(f"event log {path} cannot be opened: {error}; is its disk full, or not writable?")


def _is_new(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


def identity_of(connection: sqlite3.Connection) -> str:
    """Return the name of this file's records, given when it was first asked for."""
    connection.execute("CREATE TABLE IF NOT EXISTS identity (only INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    connection.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (uuid.uuid4().hex,))
    (name,) = connection.execute("SELECT name FROM identity").fetchone()
    return str(name)


def _create(connection: sqlite3.Connection) -> None:
    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {marks} COMMIT;")


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise Unsupported(
            f"{path} is a database of another program, not an event log", reason="EVENT_LOG_FOREIGN"
        )
    if version != VERSION:
        message = (
            f"event log {path} was written in format {version} and this build reads format {VERSION};"
            " use the build that wrote it, or move the file away to start anew"
        )
        raise Unsupported(message, reason="EVENT_LOG_VERSION")


def ensure_partitions(
    connection: sqlite3.Connection, topics: Mapping[str, TopicSettings]
) -> dict[TopicPartition, int]:
    """Add the partitions of new topics and return the number of each partition of `topics`.

    Raises Conflict if the file has another number of partitions: keys would change their partition.
    """
    with suppress(sqlite3.OperationalError):
        connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    for topic, settings in topics.items():
        _ensure_topic(connection, topic, settings.partitions)
    connection.execute("COMMIT")
    rows = connection.execute("SELECT id, topic, partition FROM partition")
    return {TopicPartition(topic, partition): number for number, topic, partition in rows if topic in topics}


def _ensure_topic(connection: sqlite3.Connection, topic: str, partitions: int) -> None:
    count = "SELECT count(*) FROM partition WHERE topic = ?"
    (existing,) = connection.execute(count, (topic,)).fetchone()
    if existing not in {0, partitions}:
        connection.execute("ROLLBACK")
        message = (
            f"topic {topic} has {existing} partitions in this event log and {partitions} in the settings;"
            " the number cannot change, because the order of records of one key would be lost"
        )
        raise Conflict(message, reason="PARTITIONS_CHANGED")
    if not existing:
        rows = [(topic, partition) for partition in range(partitions)]
        connection.executemany("INSERT INTO partition (topic, partition) VALUES (?, ?)", rows)
