"""What every event log must do; each adapter passes this file."""

from __future__ import annotations

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.server import Running
from services.kernel.errors import Conflict, NotFound, Unavailable
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import (
    Commit,
    Consumer,
    EventLog,
    NewRecord,
    Record,
    Tail,
    TopicPartition,
)
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite import SqliteLog

PARTITIONS = 4
PATIENCE_S = 30.0

Topics = Mapping[str, TopicSettings]
Open = Callable[[Path, Topics, pytest.FixtureRequest], AbstractContextManager[EventLog]]


@contextmanager
def sqlite(folder: Path, topics: Topics, request: pytest.FixtureRequest) -> Iterator[EventLog]:
    del request
    with closing(SqliteLog(folder / "events.db", topics)) as log:
        yield log


@contextmanager
def kafka(folder: Path, topics: Topics, request: pytest.FixtureRequest) -> Iterator[EventLog]:
    del folder
    server: Running = request.getfixturevalue("kafka_server")
    with closing(KafkaLog(server.settings["FOVEA_KAFKA_SERVERS"], topics)) as log:
        yield log


LOGS: dict[str, Open] = {"sqlite": sqlite, "kafka": kafka}


@dataclass(frozen=True)
class Bench:
    """An open log with names that no other test uses."""

    log: EventLog
    topic: str
    other: str
    group: str = field(default_factory=lambda: f"group-{uuid.uuid4()}")

    def publish(self, *keys: str, value: bytes = b"x") -> None:
        self.log.publish([NewRecord(self.topic, key, value) for key in keys])

    def consumer(self, *topics: str) -> Consumer:
        return self.log.consumer(self.group, topics or [self.topic])

    def tail(self) -> Tail:
        return self.log.tail([self.topic], start="beginning")


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.integration)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    topic, other = f"things.done-{uuid.uuid4()}", f"others.done-{uuid.uuid4()}"
    topics = {topic: TopicSettings(PARTITIONS), other: TopicSettings(1)}
    with LOGS[request.param](tmp_path, topics, request) as log:
        yield Bench(log, topic, other)


def read(source: Consumer | Tail, count: int) -> list[Record]:
    """Return the next `count` records; fails if they do not come."""
    records: list[Record] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(records) < count and time.monotonic() < deadline:
        records += source.poll(0.2, most=count - len(records))
    assert len(records) == count
    return records


def join(consumer: Consumer, partitions: int = PARTITIONS) -> frozenset[TopicPartition]:
    """Poll until a lone member owns all partitions; there must be no records to read."""
    deadline = time.monotonic() + PATIENCE_S
    while len(consumer.assignment()) < partitions and time.monotonic() < deadline:
        assert not consumer.poll(0.05, most=1)
    return consumer.assignment()


def after(records: Sequence[Record]) -> dict[TopicPartition, Commit]:
    """Return the commits that say: these are done."""
    return {record.source: Commit(record.position.offset + 1) for record in records}


def keys(records: Sequence[Record]) -> set[str]:
    return {record.key for record in records}


def test_a_record_comes_back_as_it_was_published(bench: Bench) -> None:
    headers = {"tenant": "default", "note": "größer ✓", "empty": ""}
    (position,) = bench.log.publish([NewRecord(bench.topic, "key/ö", b"\x00\xff", headers)])

    with bench.tail() as tail:
        (record,) = read(tail, 1)

    assert record.position == position
    assert (record.key, record.value, record.headers) == ("key/ö", b"\x00\xff", headers)
    assert abs(record.timestamp_s - time.time()) < 60


def test_no_value_is_not_the_same_as_an_empty_value(bench: Bench) -> None:
    bench.log.publish([NewRecord(bench.other, "a", None), NewRecord(bench.other, "b", b"")])

    with bench.log.tail([bench.other], start="beginning") as tail:
        assert [record.value for record in read(tail, 2)] == [None, b""]


def test_a_long_value_comes_back_whole(bench: Bench) -> None:
    value = bytes(range(256)) * 2000
    bench.publish("a", value=value)

    with bench.tail() as tail:
        assert read(tail, 1)[0].value == value


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"])),
            st.none() | st.binary(max_size=50),
            st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(), max_size=3),
        ),
        max_size=8,
    )
)
def test_any_keys_values_and_headers_come_back(
    bench: Bench, contents: list[tuple[str, bytes | None, dict[str, str]]]
) -> None:
    with bench.log.tail([bench.other], start="end") as tail:
        bench.log.publish([NewRecord(bench.other, *content) for content in contents])
        records = read(tail, len(contents))

    assert [(record.key, record.value, record.headers) for record in records] == contents


def test_positions_come_in_the_order_of_the_records(bench: Bench) -> None:
    records = [NewRecord(bench.topic, f"key {n}", b"") for n in range(40)]
    positions = bench.log.publish(records)

    with bench.tail() as tail:
        found = {record.position: record.key for record in read(tail, 40)}

    assert [found[position] for position in positions] == [record.key for record in records]
    assert len({position.partition for position in positions}) == PARTITIONS


def test_records_of_one_key_keep_their_order_whoever_else_publishes(bench: Bench) -> None:
    def write(key: str) -> None:
        for number in range(30):
            bench.publish(key, value=str(number).encode())

    names = [f"key {n}" for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, names))
    with bench.tail() as tail:
        seen = defaultdict(list)
        for record in read(tail, 180):
            seen[record.key].append(int(record.value or b""))

    assert seen == {name: list(range(30)) for name in names}


def test_publishing_nothing_is_no_error(bench: Bench) -> None:
    assert list(bench.log.publish([])) == []


def test_unknown_topics_are_refused(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.log.publish([NewRecord("no.such", "a", b"")])
    with pytest.raises(NotFound):
        bench.log.consumer(bench.group, ["no.such"])
    with pytest.raises(NotFound):
        bench.log.tail(["no.such"])
    with pytest.raises(NotFound):
        bench.log.end_offsets("no.such")


def test_one_unknown_topic_keeps_the_whole_call_from_being_written(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.log.publish([NewRecord(bench.other, "a", b""), NewRecord("no.such", "a", b"")])

    assert bench.log.end_offsets(bench.other) == {0: 0}


def test_end_offsets_count_the_records_of_each_partition(bench: Bench) -> None:
    assert bench.log.end_offsets(bench.topic) == dict.fromkeys(range(PARTITIONS), 0)

    (first,) = bench.log.publish([NewRecord(bench.topic, "a", b"")])
    bench.publish("a")

    assert first.offset == 0
    assert bench.log.end_offsets(bench.topic)[first.partition] == 2
    assert sum(bench.log.end_offsets(bench.topic).values()) == 2


def test_a_new_group_starts_at_the_beginning(bench: Bench) -> None:
    bench.publish("a", "b", "c")

    with bench.consumer() as consumer:
        assert keys(read(consumer, 3)) == {"a", "b", "c"}


def test_what_was_not_committed_is_read_again(bench: Bench) -> None:
    bench.publish("a", "b", "c")
    with bench.consumer() as consumer:
        first = read(consumer, 1)
        consumer.commit(after(first))
        read(consumer, 2)

    with bench.consumer() as consumer:
        again = read(consumer, 2)
        assert keys(again) == {"a", "b", "c"} - keys(first)
        assert not consumer.poll(0.1, most=10)


def test_each_group_has_its_own_place(bench: Bench) -> None:
    bench.publish("a")
    with bench.consumer() as consumer:
        consumer.commit(after(read(consumer, 1)))

    with bench.log.consumer(f"{bench.group}-other", [bench.topic]) as other:
        assert keys(read(other, 1)) == {"a"}


def test_a_commit_keeps_its_note(bench: Bench) -> None:
    with bench.consumer() as consumer:
        source = min(join(consumer))
        assert consumer.committed(source) is None
        consumer.commit({source: Commit(0, '{"attempts": 1}')})
        consumer.commit({source: Commit(0, "x" * 4096)})

    with bench.consumer() as consumer:
        join(consumer)
        assert consumer.committed(source) == Commit(0, "x" * 4096)


def test_a_bare_commit_clears_the_note(bench: Bench) -> None:
    with bench.consumer() as consumer:
        source = min(join(consumer))
        consumer.commit({source: Commit(0, "note")})
        consumer.commit({source: Commit(0)})

        assert consumer.committed(source) == Commit(0, "")


def test_only_the_owner_of_a_partition_commits(bench: Bench) -> None:
    with bench.consumer() as consumer:
        join(consumer)
        with pytest.raises(Conflict):
            consumer.commit({TopicPartition(bench.other, 0): Commit(1)})
        with pytest.raises(Conflict):
            consumer.commit(
                {TopicPartition(bench.topic, 0): Commit(1), TopicPartition(bench.other, 0): Commit(1)}
            )

        assert consumer.committed(TopicPartition(bench.topic, 0)) is None


def test_a_paused_partition_gives_nothing_until_it_is_resumed(bench: Bench) -> None:
    with bench.consumer(bench.topic, bench.other) as consumer:
        join(consumer, PARTITIONS + 1)
        quiet = frozenset({TopicPartition(bench.other, 0)})
        consumer.pause(quiet)
        bench.log.publish([NewRecord(bench.other, "paused", b""), NewRecord(bench.topic, "other", b"")])

        assert keys(read(consumer, 1)) == {"other"}
        assert not consumer.poll(0.3, most=10)
        assert quiet <= consumer.assignment()
        consumer.resume(quiet)
        assert keys(read(consumer, 1)) == {"paused"}


def test_poll_gives_no_more_than_asked_for(bench: Bench) -> None:
    bench.publish(*(f"key {n}" for n in range(20)))

    with bench.consumer() as consumer, bench.tail() as tail:
        assert len(consumer.poll(PATIENCE_S, most=3)) <= 3
        assert len(tail.poll(PATIENCE_S, most=3)) <= 3


def test_poll_returns_when_the_time_is_up(bench: Bench) -> None:
    with bench.tail() as tail:
        started = time.monotonic()
        assert len(tail.poll(0.2, most=1)) == 0
        assert 0.15 < time.monotonic() - started < PATIENCE_S


def test_a_waiting_poll_wakes_up_for_a_record(bench: Bench) -> None:
    with bench.consumer() as consumer:
        join(consumer)
        timer = threading.Timer(0.2, bench.publish, ["late"])
        timer.start()
        started = time.monotonic()

        assert keys(consumer.poll(PATIENCE_S, most=10)) == {"late"}
        assert time.monotonic() - started < PATIENCE_S / 2
        timer.join()


class Worker:
    """A member that polls and commits in its own thread."""

    def __init__(self, bench: Bench) -> None:
        self.seen: list[Record] = []
        self.owned: frozenset[TopicPartition] = frozenset()
        self._stop = threading.Event()
        self._consumer = bench.consumer()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def leave(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._consumer as consumer:
            while not self._stop.is_set():
                records = consumer.poll(0.05, most=5)
                self.seen += records
                consumer.commit(after(records))
                self.owned = consumer.assignment()


def shared(first: Worker, second: Worker) -> bool:
    return len(first.owned) == len(second.owned) == PARTITIONS / 2 and not first.owned & second.owned


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_members_share_the_partitions_and_take_over_from_who_leaves(bench: Bench) -> None:
    first, second = Worker(bench), Worker(bench)
    try:
        eventually(lambda: shared(first, second))
        bench.publish(*(f"key {n}" for n in range(100)))
        eventually(lambda: len(first.seen) + len(second.seen) == 100)
        first.leave()
        eventually(lambda: len(second.owned) == PARTITIONS)
        bench.publish(*(f"later {n}" for n in range(100)))
        eventually(lambda: len(first.seen) + len(second.seen) == 200)
    finally:
        first.leave()
        second.leave()

    positions = [record.position for record in first.seen + second.seen]
    assert len(set(positions)) == 200
    assert {record.source for record in first.seen if record.key.startswith("later")} == set()


def test_nothing_is_done_twice_when_a_member_joins_under_load(bench: Bench) -> None:
    first = Worker(bench)
    workers = [first]
    try:
        for batch in range(10):
            bench.publish(*(f"key {batch} {n}" for n in range(20)))
            if batch == 5:
                workers.append(Worker(bench))
        eventually(lambda: sum(len(worker.seen) for worker in workers) >= 200)
        eventually(lambda: shared(*workers))
    finally:
        for worker in workers:
            worker.leave()

    positions = [record.position for worker in workers for record in worker.seen]
    assert len(positions) == len(set(positions)) == 200


def test_a_member_beyond_the_partitions_waits_for_its_turn(bench: Bench) -> None:
    with (
        bench.log.consumer(bench.group, [bench.other]) as first,
        bench.log.consumer(bench.group, [bench.other]) as second,
    ):
        eventually(lambda: _owned(first) + _owned(second) == 1)
        idle, busy = (first, second) if _owned(second) else (second, first)
        busy.close()
        eventually(lambda: _owned(idle) == 1)


def _owned(consumer: Consumer) -> int:
    consumer.poll(0.0, most=1)
    return len(consumer.assignment())


def test_a_member_knows_where_it_goes_on_whether_or_not_that_is_committed(bench: Bench) -> None:
    bench.publish(*(f"key-{number}" for number in range(20)))
    with bench.consumer() as consumer:
        read(consumer, 20)
        consumer.poll(0.0, most=1)
        ends = bench.log.end_offsets(bench.topic)
        assert {source.partition: consumer.position(source) for source in consumer.assignment()} == ends
        consumer.commit({source: Commit(ends[source.partition]) for source in consumer.assignment()})
    with bench.consumer() as again:
        for source in join(again):
            assert again.position(source) in {ends[source.partition], None}
        assert again.position(TopicPartition(bench.other, 0)) is None


def test_a_member_knows_that_its_group_was_shared_out_anew(bench: Bench) -> None:
    with bench.consumer() as first:
        join(first)
        before = first.sharings()
        assert before >= 1
        with bench.consumer() as second:
            deadline = time.monotonic() + PATIENCE_S
            while first.sharings() == before and time.monotonic() < deadline:
                first.poll(0.05, most=1)
                second.poll(0.05, most=1)
            assert first.sharings() > before


def test_a_tail_from_the_end_sees_what_is_published_after_it_was_opened(bench: Bench) -> None:
    bench.publish("before")

    with bench.log.tail([bench.topic]) as tail:
        bench.publish("after")
        assert keys(read(tail, 1)) == {"after"}


def test_a_tail_starts_at_the_given_offsets(bench: Bench) -> None:
    bench.log.publish([NewRecord(bench.other, str(n), b"") for n in range(5)])
    bench.publish("elsewhere")

    start = {TopicPartition(bench.other, 0): 3}
    with bench.log.tail([bench.other, bench.topic], start=start) as tail:
        assert keys(read(tail, 3)) == {"3", "4", "elsewhere"}


def test_a_tail_knows_its_position_from_the_start(bench: Bench) -> None:
    bench.log.publish([NewRecord(bench.other, str(n), b"") for n in range(3)])
    source = TopicPartition(bench.other, 0)

    with bench.log.tail([bench.other]) as tail:
        assert tail.position() == {source: 3}
    with bench.log.tail([bench.other], start="beginning") as tail:
        assert tail.position() == {source: 0}
        read(tail, 2)
        assert tail.position() == {source: 2}


def test_tails_do_not_take_records_from_each_other(bench: Bench) -> None:
    bench.publish("a", "b")

    with bench.tail() as first, bench.tail() as second, bench.consumer() as consumer:
        assert keys(read(first, 2)) == keys(read(second, 2)) == keys(read(consumer, 2)) == {"a", "b"}


def test_a_topic_is_told_from_any_other_and_stays_itself(bench: Bench) -> None:
    before = bench.log.identity(bench.topic)
    bench.publish("a")

    assert bench.log.identity(bench.topic) == before
    assert bench.log.identity(bench.other) != before
    with pytest.raises(NotFound):
        bench.log.identity("no.such")


def test_a_closed_log_refuses_and_lets_waiting_readers_go(bench: Bench) -> None:
    tail = bench.tail()
    timer = threading.Timer(0.2, bench.log.close)
    timer.start()

    with pytest.raises(Unavailable):
        tail.poll(PATIENCE_S, most=1)
    with pytest.raises(Unavailable):
        bench.publish("a")
    timer.join()
    tail.close()
