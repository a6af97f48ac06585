"""What every event log must do; each adapter passes this file."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kernel.errors import NotFound, Unavailable
from services.runtime.event_log.ports import (
    NewRecord,
    TopicPartition,
)
from tests.contract.logs import LATE_S, PARTITIONS, PATIENCE_S, Bench, join, keys, read


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


def test_what_comes_too_late_is_refused_and_taken_when_it_is_of_now(bench: Bench) -> None:
    late = NewRecord(bench.prompt, "a", b"late", as_of_s=time.time() - LATE_S - 1)
    with pytest.raises(Unavailable) as refused:
        bench.log.publish([late])
    bench.log.publish([replace(late, value=b"again", as_of_s=time.time())])

    with bench.log.tail([bench.prompt], start="beginning") as tail:
        assert [record.value for record in read(tail, 1)] == [b"again"]
    assert refused.value.reason == "TOO_LATE"


def test_a_record_is_of_the_time_that_its_writer_says(bench: Bench) -> None:
    now_s = time.time()
    bench.log.publish([NewRecord(bench.prompt, "a", b"", as_of_s=now_s - 1)])
    bench.log.publish([NewRecord(bench.other, "a", b"", as_of_s=now_s - 3600)])

    for topic, age_s in ((bench.prompt, 1), (bench.other, 3600)):
        with bench.log.tail([topic], start="beginning") as tail:
            assert read(tail, 1)[0].timestamp_s == pytest.approx(now_s - age_s, abs=1e-3)


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
