"""A view whose log comes late is complete once it has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from services.kernel.errors import Unavailable
from services.runtime.event_log.ports import NewRecord
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.follower import Follower
from services.runtime.late_follower import LateFollower

TOPIC = "things.known"
PATIENCE_S = 30.0


class Late:
    """A log that cannot be read before it is there."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.is_there = threading.Event()
        self.asked = 0

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        self.asked += 1
        if not self.is_there.is_set():
            raise Unavailable("no broker answers")
        return self._log.end_offsets(topic)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Late]:
    opened = SqliteLog(tmp_path / "events.db", {TOPIC: TopicSettings(partitions=2)})
    opened.publish([NewRecord(TOPIC, key, b"x") for key in "abc"])
    yield Late(opened)
    opened.close()


def follow(log: Late, seen: list[str]) -> LateFollower:
    follower = Follower(log, [TOPIC], lambda record: seen.append(record.key))
    return LateFollower(follower, "the things", pause_s=0.001)


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def is_complete(late: LateFollower) -> bool:
    try:
        late.check()
    except Unavailable:
        return False
    return True


def test_it_is_complete_once_the_log_has_come_and_is_read(log: Late) -> None:
    seen: list[str] = []
    late = follow(log, seen)
    late.start()
    try:
        wait(lambda: log.asked > 3)
        with pytest.raises(Unavailable, match="the things are still being read"):
            late.check()

        log.is_there.set()
        wait(lambda: is_complete(late))

        assert sorted(seen) == ["a", "b", "c"]
    finally:
        late.close()


def test_it_ends_while_it_waits_for_the_log(log: Late) -> None:
    late = follow(log, [])
    late.start()
    wait(lambda: log.asked > 0)

    late.close()

    assert not is_complete(late)


def test_what_never_began_can_be_closed(log: Late) -> None:
    follow(log, []).close()
