"""Compaction forgets what nobody can need, renumbers nothing and disturbs no reader."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.runtime.event_log.ports import NewRecord, Record, TopicPartition
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_log.sqlite.compaction import Compaction

VIEW = "things.known"
PLAIN = "things.done"
SOURCE = TopicPartition(VIEW, 0)
TOPICS = {VIEW: TopicSettings(compacted=True), PLAIN: TopicSettings(retention_s=60.0)}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "events.db", TOPICS)
    yield opened
    opened.close()


def publish(log: SqliteLog, *contents: tuple[str, str | None]) -> None:
    log.publish([NewRecord(VIEW, key, None if value is None else value.encode()) for key, value in contents])


def read(log: SqliteLog, topic: str = VIEW) -> list[Record]:
    with log.tail([topic], start="beginning") as tail:
        return list(tail.poll(0.0, most=10**6))


def contents(records: list[Record]) -> list[tuple[int, str, bytes | None]]:
    return [(record.position.offset, record.key, record.value) for record in records]


def test_the_newest_record_of_each_key_stays_at_its_offset(log: SqliteLog) -> None:
    publish(log, ("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("a", "3"))

    assert log.compact(VIEW) == 2

    assert contents(read(log)) == [(1, "b", b"1"), (3, "c", b"1"), (4, "a", b"3")]
    assert log.end_offsets(VIEW) == {0: 5}


def test_what_is_superseded_goes_in_time_however_little_is_written(tmp_path: Path) -> None:
    rules = Compaction(least_often_s=1.0, every_s=0.01)
    with closing(SqliteLog(tmp_path / "events.db", TOPICS, compaction=rules)) as log:
        publish(log, ("a", "secret"), ("a", None))

        end_s = time.monotonic() + 10.0
        while len(read(log)) > 1 and time.monotonic() < end_s:
            time.sleep(0.01)

        assert contents(read(log)) == [(1, "a", None)]


def test_a_fresh_tombstone_stays_and_its_values_go(log: SqliteLog) -> None:
    publish(log, ("a", "1"), ("a", None))

    log.compact(VIEW)

    assert contents(read(log)) == [(1, "a", None)]


def test_an_old_tombstone_goes_and_its_offset_is_not_given_again(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log = SqliteLog(path, TOPICS, compaction=Compaction(tombstones_s=0.0))
    publish(log, ("a", "1"), ("a", None))
    time.sleep(0.001)
    assert log.compact(VIEW) == 2
    log.close()

    log = SqliteLog(path, TOPICS)
    assert log.end_offsets(VIEW) == {0: 2}
    publish(log, ("b", "1"))
    assert contents(read(log)) == [(2, "b", b"1")]
    log.close()


def test_a_tail_half_way_goes_on_over_the_gaps(log: SqliteLog) -> None:
    publish(log, ("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("c", "1"))
    with log.tail([VIEW], start="beginning") as tail:
        first = tail.poll(0.0, most=1)
        log.compact(VIEW)
        rest = tail.poll(0.0, most=10)

    assert [record.position.offset for record in [*first, *rest]] == [0, 2, 3, 4]


def test_the_position_passes_a_gap_at_the_end(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db", TOPICS, compaction=Compaction(tombstones_s=0.0))
    publish(log, ("a", "1"), ("a", None))
    time.sleep(0.001)
    log.compact(VIEW)

    with log.tail([VIEW], start="beginning") as tail:
        assert not tail.poll(0.0, most=10)
        assert tail.position() == {SOURCE: 2}
    log.close()


def test_an_interrupted_compaction_never_brings_a_forgotten_value_back(tmp_path: Path) -> None:
    """Deletes stop after every possible batch; the tombstone outlives the values that it deletes."""
    rules = Compaction(tombstones_s=0.0, batch=1)
    for kept in range(4):
        log = SqliteLog(tmp_path / f"{kept}.db", TOPICS, compaction=rules)
        publish(log, ("a", "1"), ("a", "2"), ("a", None))
        time.sleep(0.001)
        _refuse_deletes_after(log, kept)
        if kept < 3:
            with pytest.raises(Exception, match="enough"):
                log.compact(VIEW)
        else:
            log.compact(VIEW)
        assert [record.value for record in read(log)] == [b"1", b"2", None][kept:]
        log.close()


def _refuse_deletes_after(log: SqliteLog, count: int) -> None:
    trigger = """
    CREATE TRIGGER enough BEFORE DELETE ON record WHEN (SELECT count(*) FROM record) <= 3 - {count}
    BEGIN SELECT RAISE(ABORT, 'enough'); END
    """
    log._core.writer._connection.execute(trigger.format(count=count))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.text(max_size=3)), max_size=20))
def test_a_view_is_the_same_with_and_without_compaction(
    log: SqliteLog, changes: list[tuple[str, str | None]]
) -> None:
    publish(log, *changes)
    before = {record.key: record.value for record in read(log)}

    log.compact(VIEW)

    records = read(log)
    assert {record.key: record.value for record in records} == before
    assert len(records) == len(before)


def test_it_happens_by_itself_when_there_is_enough_to_forget(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db", TOPICS, compaction=Compaction(least_new=100))
    for number in range(250):
        publish(log, ("a", str(number)), ("b", str(number)))
    deadline = time.monotonic() + 30
    while len(read(log)) > 150 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert len(read(log)) <= 150
    assert {record.key: record.value for record in read(log)} == {"a": b"249", "b": b"249"}
    log.close()


def test_a_topic_with_a_retention_forgets_what_is_older(log: SqliteLog, tmp_path: Path) -> None:
    log.publish([NewRecord(PLAIN, "a", b"old")])
    with closing(sqlite3.connect(tmp_path / "events.db")) as connection, connection:
        connection.execute("UPDATE record SET timestamp_s = timestamp_s - 61")
    log.publish([NewRecord(PLAIN, "a", b"new")])

    log.compact(PLAIN)

    assert [record.value for record in read(log, PLAIN)] == [b"new"]
    assert log.end_offsets(PLAIN) == {0: 2}


def test_what_was_forgotten_is_not_left_in_the_file(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db", TOPICS)
    publish(log, ("a", "a secret" * 1000), ("a", None))
    log.compact(VIEW)
    log.close()  # the last connection moves the write-ahead log into the file

    assert b"a secret" not in (tmp_path / "events.db").read_bytes()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
