"""A view follows its topics, says how far it is, and never goes wrong silently."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from services.kernel.errors import InvalidInput, NotFound, Unavailable
from services.runtime.event_log.ports import NewRecord, Position, Record, TopicPartition
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_log.sqlite.compaction import Compaction
from services.runtime.event_loop import RetryPolicy
from services.runtime.follower import Apply, Follower

TOPIC = "things.known"
PATIENCE_S = 30.0
AT_ONCE = RetryPolicy(base_s=0.001, cap_s=0.001)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    topics = {TOPIC: TopicSettings(partitions=3, compacted=True)}
    opened = SqliteLog(tmp_path / "events.db", topics, compaction=Compaction(tombstones_s=0.0))
    yield opened
    opened.close()


class View:
    def __init__(self) -> None:
        self.values: dict[str, bytes | None] = {}
        self.errors: list[Exception] = []
        self.applied = 0

    def __call__(self, record: Record) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.values[record.key] = record.value
        self.applied += 1


def follow(log: SqliteLog, apply: Apply) -> Follower:
    follower = Follower(log, [TOPIC], apply, retry=AT_ONCE)
    follower.start()
    return follower


def publish(log: SqliteLog, *keys: str, value: bytes | None = b"x") -> list[Position]:
    return list(log.publish([NewRecord(TOPIC, key, value) for key in keys]))


def after(positions: list[Position]) -> dict[TopicPartition, int]:
    return {TopicPartition(topic, partition): offset + 1 for topic, partition, offset in positions}


def test_it_catches_up_with_what_was_there_when_it_started(log: SqliteLog) -> None:
    publish(log, *(f"key {n}" for n in range(1200)))
    view = View()
    follower = follow(log, view)

    assert follower.wait_caught_up(PATIENCE_S)
    assert len(view.values) == 1200
    assert sum(follower.position().values()) == 1200
    follower.close()


def test_an_empty_topic_is_caught_up_at_once(log: SqliteLog) -> None:
    follower = follow(log, View())

    assert follower.wait_caught_up(0.0)
    follower.close()


def test_readers_see_their_own_writes(log: SqliteLog) -> None:
    view = View()
    follower = follow(log, view)
    for number in range(50):
        assert follower.wait_until(after(publish(log, f"key {number}")), PATIENCE_S)
        assert f"key {number}" in view.values
    follower.close()


def test_many_wait_at_once_each_for_its_own(log: SqliteLog) -> None:
    view = View()
    follower = follow(log, view)
    seen = []

    def write(name: str) -> None:
        assert follower.wait_until(after(publish(log, name)), PATIENCE_S)
        seen.append(name in view.values)

    threads = [threading.Thread(target=write, args=(f"key {n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 20
    follower.close()


def test_waiting_for_what_never_comes_ends(log: SqliteLog) -> None:
    follower = follow(log, View())
    started = time.monotonic()

    assert not follower.wait_until({TopicPartition(TOPIC, 0): 1}, 0.05)
    assert time.monotonic() - started < PATIENCE_S
    follower.close()


def test_deletions_are_applied_too_and_gaps_are_passed(log: SqliteLog) -> None:
    publish(log, "a")
    publish(log, "a", value=None)
    time.sleep(0.001)
    assert log.compact(TOPIC) == 2
    view = View()
    follower = follow(log, view)

    assert follower.wait_caught_up(PATIENCE_S)
    assert follower.wait_until(after(publish(log, "a", value=None)), PATIENCE_S)
    assert view.values == {"a": None}
    follower.close()


def test_it_starts_where_a_snapshot_ends(log: SqliteLog) -> None:
    publish(log, "old")
    first = follow(log, View())
    first.wait_caught_up(PATIENCE_S)
    first.close()
    publish(log, "new")
    view = View()
    follower = Follower(log, [TOPIC], view, start=first.position())
    follower.start()

    assert follower.wait_caught_up(PATIENCE_S)
    assert set(view.values) == {"new"}
    follower.close()


def test_what_is_unavailable_is_tried_again_and_nothing_is_left_out(log: SqliteLog) -> None:
    view = View()
    view.errors = [Unavailable("down")] * 3
    follower = follow(log, view)

    assert follower.wait_until(after(publish(log, "a", "b")), PATIENCE_S)
    assert set(view.values) == {"a", "b"}
    follower.check()
    follower.close()


def test_an_error_stops_it_and_whoever_waits_or_asks_is_told(log: SqliteLog) -> None:
    view = View()
    view.errors = [ValueError("cannot be applied")]
    follower = follow(log, view)

    started = time.monotonic()
    with pytest.raises(Unavailable, match="cannot be applied"):
        follower.wait_until(after(publish(log, "a")), PATIENCE_S)
    assert time.monotonic() - started < PATIENCE_S / 2
    with pytest.raises(Unavailable, match="cannot be applied"):
        follower.check()
    assert sum(follower.position().values()) == 0
    follower.close()


def test_offsets_of_strange_partitions_are_refused(log: SqliteLog) -> None:
    follower = follow(log, View())

    with pytest.raises(InvalidInput):
        follower.wait_until({TopicPartition("other.topic", 0): 0}, 1.0)
    follower.close()


def test_an_unknown_topic_is_refused_at_the_start(log: SqliteLog) -> None:
    follower = Follower(log, ["no.such"], View())

    with pytest.raises(NotFound):
        follower.start()
    follower.close()


def test_what_has_come_is_applied_at_once_where_that_is_asked_for(log: SqliteLog) -> None:
    positions = publish(log, *(f"k{number}" for number in range(20)))
    batches: list[int] = []
    errors = [Unavailable("not now")]

    def apply_all(records: Sequence[Record]) -> None:
        if errors:
            raise errors.pop()
        batches.append(len(records))

    follower = Follower(log, [TOPIC], apply_all=apply_all, retry=AT_ONCE)
    follower.start()
    try:
        assert follower.wait_until(after(positions), PATIENCE_S)
    finally:
        follower.close()
    assert batches == [20]


def test_a_follower_that_applies_nothing_is_a_mistake(log: SqliteLog) -> None:
    with pytest.raises(TypeError):
        Follower(log, [TOPIC])
