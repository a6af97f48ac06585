"""Whatever was acknowledged is there after a kill; whoever should not open the file is refused."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from services.kernel.errors import Conflict, Corrupt, Unavailable, Unsupported
from services.runtime.event_log.ports import Commit, NewRecord, TopicPartition
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_log.sqlite.storage import VERSION
from tests.fakes.small_disk import files_of_at_most
from tests.unit.runtime.event_log import publish_until_killed as child

ONE = {"things.done": TopicSettings()}
SOURCE = TopicPartition("things.done", 0)


def open_log(folder: Path) -> SqliteLog:
    return SqliteLog(folder / "events.db", ONE)


def publish(log: SqliteLog, *values: str) -> None:
    log.publish([NewRecord("things.done", "key", value.encode()) for value in values])


def values(log: SqliteLog) -> list[str]:
    with log.tail(list(ONE), start="beginning") as tail:
        return [(record.value or b"").decode() for record in tail.poll(0.0, most=10_000)]


def start_child(folder: Path, life: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", child.__name__, str(folder / "events.db"), life]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def live_and_die(folder: Path, life: str, *, for_s: float) -> list[str]:
    """Let a process publish, kill it, and return what it had been promised."""
    with start_child(folder, life) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(for_s)
        process.kill()
        complete, _, _ = (first + process.stdout.read()).rpartition(b"\n")
    return complete.decode().splitlines()


def test_what_was_acknowledged_survives_kill_9_once_and_in_order(tmp_path: Path) -> None:
    chance = random.Random(11)  # noqa: S311  (when to kill is no secret)
    acknowledged = []
    for life in range(8):
        acknowledged += live_and_die(tmp_path, str(life), for_s=chance.uniform(0.0, 0.25))

    log = SqliteLog(tmp_path / "events.db", child.SETTINGS)
    with log.tail([child.TOPIC], start="beginning") as tail:
        stored = [record.value.decode() for record in tail.poll(0.0, most=10**6) if record.value]
    log.close()

    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    numbers = defaultdict(list)
    for name in stored:
        writer, _, number = name.rpartition("/")
        numbers[writer].append(int(number))
    assert all(found == list(range(len(found))) for found in numbers.values())


def test_a_power_cut_is_no_worse_because_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    connection = log._core.writer._connection

    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    log.close()


def test_a_place_that_is_durable_already_is_not_written_again(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    publish(log, "one", "two")
    connection = log._core.writer._connection
    with log.consumer("group", list(ONE)) as consumer:
        consumer.poll(0.0, most=10)
        consumer.commit({SOURCE: Commit(1, "note")})
        written = connection.total_changes
        consumer.commit({SOURCE: Commit(1, "note")})
        assert connection.total_changes == written

        for commit in (Commit(1), Commit(2)):
            consumer.commit({SOURCE: commit})
            assert consumer.committed(SOURCE) == commit
    log.close()


def test_a_second_process_is_refused_by_name(tmp_path: Path) -> None:
    with start_child(tmp_path, "0") as process:
        assert process.stdout is not None
        process.stdout.readline()

        with pytest.raises(Conflict, match=f"in use by process {process.pid}"):
            SqliteLog(tmp_path / "events.db", child.SETTINGS)
        process.kill()


def test_a_second_log_in_the_same_process_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    first = open_log(tmp_path)
    with pytest.raises(Conflict, match="in use"):
        open_log(tmp_path)
    first.close()

    open_log(tmp_path).close()


def test_records_and_places_are_there_after_reopening(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    publish(log, "a", "b")
    with log.consumer("group", list(ONE)) as consumer:
        consumer.poll(0.0, most=1)
        consumer.commit({SOURCE: Commit(1, "note")})
    log.close()

    log = open_log(tmp_path)
    publish(log, "c")
    with log.consumer("group", list(ONE)) as consumer:
        assert [record.value for record in consumer.poll(0.0, most=10)] == [b"b", b"c"]
        assert consumer.committed(SOURCE) == Commit(1, "note")
    log.close()


def test_a_file_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_log(tmp_path).close()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()

    for _ in range(2):  # the refusal lets go of the lock
        with pytest.raises(Unsupported, match=f"format {VERSION + 1} and this build reads format {VERSION}"):
            open_log(tmp_path)


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute("CREATE TABLE record (x)")
    connection.close()

    with pytest.raises(Unsupported, match="another program"):
        open_log(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"not a database, certainly" * 100)

    with pytest.raises(Corrupt, match="not an event log"):
        open_log(tmp_path)


def test_a_changed_number_of_partitions_is_refused(tmp_path: Path) -> None:
    open_log(tmp_path).close()

    with pytest.raises(Conflict, match="has 1 partitions in this event log and 2 in the settings"):
        SqliteLog(tmp_path / "events.db", {"things.done": TopicSettings(partitions=2)})
    open_log(tmp_path).close()


def test_a_new_topic_is_added_and_one_no_longer_wanted_stays(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    publish(log, "kept")
    log.close()
    SqliteLog(tmp_path / "events.db", {"new.topic": TopicSettings()}).close()

    log = open_log(tmp_path)
    assert values(log) == ["kept"]
    log.close()


def test_a_full_disk_is_unavailable_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    publish(log, "before")
    connection = log._core.writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    with pytest.raises(Unavailable, match="full") as caught:
        publish(log, "small", "x" * 10**6)
    assert caught.value.reason == "LOG_FULL"
    connection.execute(f"PRAGMA max_page_count = {2**30}")
    publish(log, "after")

    assert values(log) == ["before", "after"]
    assert log.end_offsets("things.done") == {0: 2}
    log.close()


def test_a_log_that_finds_no_room_is_not_called_damaged(tmp_path: Path) -> None:
    with files_of_at_most(1), pytest.raises(Unavailable, match="cannot be opened"):
        open_log(tmp_path)

    open_log(tmp_path).close()


def test_an_interrupt_in_the_middle_of_a_write_leaves_the_log_usable(tmp_path: Path) -> None:
    log = open_log(tmp_path)

    def interrupted(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM partition")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log._core.writer.run(interrupted)
    publish(log, "after")

    assert values(log) == ["after"]
    log.close()


def test_a_tail_beyond_the_end_is_refused(tmp_path: Path) -> None:
    log = open_log(tmp_path)

    with pytest.raises(Conflict, match="another event log"):
        log.tail(list(ONE), start={SOURCE: 7})
    log.close()


def test_closing_twice_is_no_error(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.close()
    log.close()


def test_a_file_keeps_its_name_and_a_new_one_has_another(tmp_path: Path) -> None:
    names = []
    for folder in (tmp_path / "one", tmp_path / "one", tmp_path / "other"):
        log = open_log(folder)
        names.append(log.identity("things.done"))
        log.close()

    assert names[0] == names[1] != names[2]
