"""What every event log must do for groups: places, commits, and members that come and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from services.kernel.errors import Conflict
from services.runtime.event_log.ports import (
    Commit,
    Consumer,
    NewRecord,
    Record,
    TopicPartition,
)
from tests.contract.logs import PARTITIONS, PATIENCE_S, Bench, after, join, keys, read


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
