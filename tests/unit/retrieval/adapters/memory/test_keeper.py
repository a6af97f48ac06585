from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from services.kernel.errors import Unavailable
from services.retrieval.adapters.exemplar_records import TOPIC
from services.retrieval.adapters.memory.freshness import Limits
from services.retrieval.adapters.memory.keeper import Rhythm
from services.retrieval.adapters.memory.parameters import BufferParameters, Parameters
from services.runtime.event_log.ports import EventLog, TopicPartition
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_log.sqlite.compaction import Compaction
from services.runtime.topics import TOPICS
from tests.fakes.exemplars import SEA, embedding, encoded
from tests.fakes.replica import AT_ONCE, NEVER, PATIENCE_S, Replica, forgotten, publish, taught

NORTH = embedding(0, 1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    rules = Compaction(tombstones_s=0.0)
    with closing(SqliteLog(tmp_path / "events.db", TOPICS.settings(), compaction=rules)) as opened:
        yield opened


def teach(log: EventLog, *ids: str, label: str = "robin") -> dict[int, int]:
    return publish(log, *(taught(encoded(each, label, [NORTH])) for each in ids))


def eventually(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Watched:
    """A log that notes from where it was read."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.starts: list[Mapping[int, int]] = []
        self.down = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        if self.down:
            raise Unavailable("the log is down")
        return self._log.end_offsets(topic)

    def tail(self, topics: Any, *, start: Any = "end") -> Any:
        self.starts.append({source.partition: offset for source, offset in start.items()})
        return self._log.tail(topics, start=start)


def test_a_restart_reads_only_what_came_after_the_memory_was_written(tmp_path: Path, log: SqliteLog) -> None:
    with Replica(tmp_path / "memory", log) as replica:
        offsets = teach(log, *(f"x{number}" for number in range(20)))
        replica.wait(offsets)
    publish(log, forgotten("x0"))

    watched = Watched(log)
    with Replica(tmp_path / "memory", watched) as replica:
        assert replica.memory() == {f"x{number}": "robin" for number in range(1, 20)}

    assert watched.starts == [offsets]


def test_what_was_opened_is_counted(tmp_path: Path, log: SqliteLog) -> None:
    with Replica(tmp_path / "memory", log) as replica:
        replica.wait(teach(log, "a", "b"))

    with Replica(tmp_path / "memory", log) as replica:
        eventually(lambda: replica.value("fovea_memory_items", space="visual") == 2)


def test_a_memory_is_written_after_so_many_records(tmp_path: Path, log: SqliteLog) -> None:
    rhythm = Rhythm(flush_records=3, flush_every_s=1e6)
    with Replica(tmp_path / "memory", log, rhythm=rhythm) as replica:
        teach(log, "a", "b")
        offsets = teach(log, "c")
        eventually(lambda: replica.local.current)
        written = replica.local.current

    assert written is not None
    assert written.offsets.items() >= offsets.items() or sum(written.offsets.values()) >= 3


def test_a_memory_that_learnt_nothing_is_written_again_before_it_is_too_old(
    tmp_path: Path, log: SqliteLog
) -> None:
    teach(log, "a")
    times = iter(range(1_000_000))
    rhythm = Rhythm(flush_every_s=1e6, refresh_every_s=0.05)
    with Replica(tmp_path / "memory", log, rhythm=rhythm, now=lambda: float(next(times))) as replica:
        eventually(lambda: replica.local.current)
        first = replica.local.current
        assert first is not None
        eventually(lambda: replica.local.catalogue.read() is not first)


def test_segments_that_were_merged_away_are_removed(tmp_path: Path, log: SqliteLog) -> None:
    with Replica(tmp_path / "memory", log, rhythm=AT_ONCE) as replica:
        for number in range(16):
            replica.wait(teach(log, f"x{number}"))
            eventually(lambda number=number: _is_all_kept(replica, records=number + 1))  # type: ignore[misc]
    current = replica.local.current

    assert current is not None
    assert len(current.entries) < 12
    assert len(replica.local.names() - current.digests) <= 4  # what was merged after the catalogue's moment
    with Replica(tmp_path / "memory", log) as replica:
        assert len(replica.memory()) == 16


def test_every_collection_is_kept(tmp_path: Path, log: SqliteLog) -> None:
    with Replica(tmp_path / "memory", log) as replica:
        replica.wait(teach(log, "a"))
        replica.wait(publish(log, taught(encoded("a", "cod", [NORTH]), SEA)))

    with Replica(tmp_path / "memory", log) as replica:
        assert (replica.memory(), replica.memory(SEA)) == ({"a": "robin"}, {"a": "cod"})


def test_what_was_forgotten_while_a_replica_was_away_too_long_is_gone(tmp_path: Path, log: SqliteLog) -> None:
    limits = Limits(tombstones_s=1_000.0, margin_s=100.0)
    with Replica(tmp_path / "memory", log, now=lambda: 0.0) as replica:
        replica.wait(teach(log, "gone", "stays"))
    publish(log, forgotten("gone"))
    teach(log, "other")
    log.compact("exemplars.encoded")  # forgets the tombstone too

    with Replica(tmp_path / "memory", log, limits=limits, now=lambda: 901.0) as replica:
        assert replica.memory().keys() == {"stays", "other"}
        assert replica.value("fovea_memory_refused_total", reason="too_old") == 1


def test_a_memory_of_another_log_is_not_used(tmp_path: Path, log: SqliteLog) -> None:
    with Replica(tmp_path / "memory", log) as replica:
        replica.wait(teach(log, "a", "b", "c"))

    with closing(SqliteLog(tmp_path / "other.db", TOPICS.settings())) as other:
        teach(other, *"stuvwxyz")  # it has grown past the offsets of the first
        with Replica(tmp_path / "memory", other) as replica:
            assert replica.memory().keys() == set("stuvwxyz")
            assert replica.value("fovea_memory_refused_total", reason="other_log") == 1


def test_nothing_is_kept_of_a_log_that_was_never_read_to_its_end(tmp_path: Path, log: SqliteLog) -> None:
    teach(log, *(f"x{number}" for number in range(2_000)))
    replica = Replica(tmp_path / "memory", log, rhythm=AT_ONCE)
    replica.keeper.start()
    replica.keeper.close()

    current = replica.local.current
    assert current is None or sum(current.offsets.values()) == 2_000


class FullDisk:
    """Refuses to make folders in the memory while it is full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self) -> None:
        self._folder.rename(self._folder.with_name("away"))
        self._folder.write_text("in the way")

    def free(self) -> None:
        self._folder.unlink()
        self._folder.with_name("away").rename(self._folder)


def test_while_the_disk_takes_nothing_writes_and_reads_go_on_and_it_recovers_by_itself(
    tmp_path: Path, log: SqliteLog, caplog: pytest.LogCaptureFixture
) -> None:
    with Replica(tmp_path / "memory", log, rhythm=AT_ONCE) as replica:
        replica.wait(teach(log, "before"))
        eventually(lambda: replica.local.current)
        disk = FullDisk(replica.local.segments)
        disk.fill()
        replica.wait(teach(log, *(f"during {number}" for number in range(30))))
        assert len(replica.memory()) == 31
        eventually(lambda: (replica.value("fovea_memory_keep_failures_total") or 0) > 2)
        assert len(replica.memory()) == 31

        disk.free()
        replica.wait(teach(log, "after"))
        eventually(lambda: _is_all_kept(replica, records=32))
        assert len(replica.memory()) == 32
    assert "cannot be written" in caplog.text

    with Replica(tmp_path / "memory", log) as replica:
        assert len(replica.memory()) == 32


def _is_all_kept(replica: Replica, *, records: int) -> bool:
    current = replica.local.current
    return current is not None and sum(current.offsets.values()) == records


def test_a_full_buffer_holds_the_log_back_until_the_disk_has_room(tmp_path: Path, log: SqliteLog) -> None:
    parameters = Parameters(BufferParameters(rows=8, most_bytes=100))
    with Replica(tmp_path / "memory", log, rhythm=AT_ONCE, parameters=parameters) as replica:
        disk = FullDisk(replica.local.segments)
        disk.fill()
        offsets = teach(log, *(f"x{number}" for number in range(1_000)))
        eventually(replica.memory)
        assert not replica.keeper.wait_until(_sources(offsets), 0.2)
        assert 0 < len(replica.memory()) < 1_000

        disk.free()
        replica.wait(offsets)
        assert len(replica.memory()) == 1_000


def _sources(offsets: Mapping[int, int]) -> Mapping[TopicPartition, int]:
    return {TopicPartition(TOPIC, partition): offset for partition, offset in offsets.items()}


def test_a_memory_whose_log_is_down_opens_when_it_is_back(tmp_path: Path, log: SqliteLog) -> None:
    teach(log, "a")
    watched = Watched(log)
    watched.down = True
    replica = Replica(tmp_path / "memory", watched, rhythm=AT_ONCE)
    replica.keeper.start()
    try:
        with pytest.raises(Unavailable, match="still being read"):
            replica.keeper.check()
        watched.down = False
        assert replica.keeper.wait_caught_up(PATIENCE_S)
        replica.keeper.check()
        assert replica.memory() == {"a": "robin"}
    finally:
        replica.keeper.close()


def test_a_memory_that_cannot_be_opened_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(SqliteLog(tmp_path / "none.db", {})) as empty:
        replica = Replica(tmp_path / "memory", empty)
        replica.keeper.start()
        with pytest.raises(Unavailable, match="could not be opened"):
            replica.keeper.wait_caught_up(PATIENCE_S)
        replica.keeper.close()
    assert "there is no topic" in caplog.text


def test_what_nobody_foresaw_does_not_stop_the_keeping(
    tmp_path: Path, log: SqliteLog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with Replica(tmp_path / "memory", log, rhythm=AT_ONCE) as replica:
        maintain = replica.index.maintain
        raised = iter([OSError(errno.EIO, "bad luck")])

        def unlucky() -> bool:
            for error in raised:
                raise error
            return maintain()

        replica.index.maintain = unlucky  # type: ignore[method-assign]
        replica.wait(teach(log, "a"))
        eventually(lambda: _is_all_kept(replica, records=1))
    assert "bad luck" in caplog.text


def test_operators_see_what_the_memory_consists_of(tmp_path: Path, log: SqliteLog) -> None:
    with Replica(tmp_path / "memory", log, rhythm=AT_ONCE) as replica:
        replica.wait(teach(log, "a", "b", "c", "d"))
        eventually(lambda: _is_all_kept(replica, records=4))
        replica.wait(publish(log, forgotten("a")))
        eventually(lambda: replica.value("fovea_memory_tombstone_ratio") == 0.25)
        assert replica.value("fovea_memory_segments") == 1
        assert replica.value("fovea_memory_buffer_items") == 0


def test_a_replica_that_is_never_told_to_write_writes_when_it_ends(tmp_path: Path, log: SqliteLog) -> None:
    with Replica(tmp_path / "memory", log, rhythm=NEVER) as replica:
        offsets = teach(log, "a")
        replica.wait(offsets)
        assert replica.local.current is None

    assert replica.local.current is not None
    assert replica.local.current.offsets.items() >= offsets.items()
