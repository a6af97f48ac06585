"""The Kafka adapter where Kafka and its client are awkward: each trap is walked into once."""

from __future__ import annotations

import logging
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from infra.local import daemons
from infra.local.daemons import wait_until
from infra.local.kafka import KafkaServer, wait_ready
from infra.local.server import Running, running
from services.kernel.errors import Conflict, InvalidInput, Unavailable
from services.runtime.deadline import within
from services.runtime.event_log.kafka import KafkaLog, KafkaOptions, drift_of
from services.runtime.event_log.ports import Commit, Consumer, NewRecord, Record, Tail, TopicPartition
from services.runtime.event_log.settings import TopicSettings

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
KIB = 1024


def servers(server: Running) -> str:
    return server.settings["FOVEA_KAFKA_SERVERS"]


def a_topic(partitions: int = 2) -> dict[str, TopicSettings]:
    return {f"things.done-{uuid.uuid4()}": TopicSettings(partitions)}


@contextmanager
def opened(
    server: Running, topics: Mapping[str, TopicSettings], options: KafkaOptions | None = None
) -> Iterator[KafkaLog]:
    with closing(KafkaLog(servers(server), topics, options=options)) as log:
        yield log


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Running]:
    """A broker to do harm to."""
    with running(KafkaServer(), tmp_path / "kafka") as server:
        yield server


def everything(log: KafkaLog, topic: str) -> list[Record]:
    """Return all records up to the end of each partition."""
    ends = {TopicPartition(topic, partition): end for partition, end in log.end_offsets(topic).items()}
    records: list[Record] = []
    with log.tail([topic], start="beginning") as tail:
        end_s = time.monotonic() + PATIENCE_S
        while any(tail.position()[source] < end for source, end in ends.items()):
            assert time.monotonic() < end_s
            records += tail.poll(0.2, most=500)
    return records


def read(consumer: Consumer | Tail, count: int) -> list[Record]:
    records: list[Record] = []
    end_s = time.monotonic() + PATIENCE_S
    while len(records) < count:
        assert time.monotonic() < end_s, f"{len(records)} of {count}"
        records += consumer.poll(0.2, most=count - len(records))
    return records


def test_a_record_that_only_the_broker_refuses_does_not_end_publishing_for_others(
    kafka_server: Running,
) -> None:
    topics = a_topic()
    (topic,) = topics
    with opened(kafka_server, topics, KafkaOptions(record_bytes=64 * KIB)):
        pass  # the topic takes no more than that, and a frame
    with opened(kafka_server, topics) as log:
        log.publish([NewRecord(topic, "before", b"x")])
        with pytest.raises(InvalidInput, match="too large"):
            log.publish([NewRecord(topic, "large", bytes(500 * KIB))])
        log.publish([NewRecord(topic, "after", b"x")])

        assert [record.key for record in everything(log, topic) if record.key != "large"] == [
            "before",
            "after",
        ]


def test_a_record_larger_than_allowed_is_refused_before_anything_is_sent(kafka_server: Running) -> None:
    topics = a_topic()
    (topic,) = topics
    with opened(kafka_server, topics, KafkaOptions(record_bytes=64 * KIB)) as log:
        with pytest.raises(InvalidInput) as caught:
            log.publish([NewRecord(topic, "small", b"x"), NewRecord(topic, "large", bytes(65 * KIB))])

        assert caught.value.reason == "RECORD_TOO_LARGE"
        assert sum(log.end_offsets(topic).values()) == 0


def test_callers_share_the_room_of_what_may_be_in_flight(kafka_server: Running) -> None:
    topics = a_topic()
    (topic,) = topics
    with (
        opened(kafka_server, topics, KafkaOptions(in_flight_bytes=300 * KIB)) as log,
        ThreadPoolExecutor(16) as pool,
    ):
        records = [NewRecord(topic, f"key {n}", bytes(100 * KIB)) for n in range(64)]
        list(pool.map(lambda record: log.publish([record]), records))
        log.publish(records[:5])  # more than there is room for: alone

        assert sum(log.end_offsets(topic).values()) == 69


def test_what_a_silent_broker_does_not_confirm_is_unavailable_and_later_works(own_server: Running) -> None:
    topics = a_topic(1)
    (topic,) = topics
    options = KafkaOptions(delivery_s=3.0, request_s=2.0, in_flight_bytes=100 * KIB)
    (broker,) = own_server.daemons
    with opened(own_server, topics, options) as log:
        log.publish([NewRecord(topic, "before", b"x")])
        broker.pause()
        started_s = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            tries = [pool.submit(log.publish, [NewRecord(topic, "lost?", bytes(60 * KIB))]) for _ in range(4)]
        waited_s = time.monotonic() - started_s
        broker.send(signal.SIGCONT)

        assert all(isinstance(one.exception(), Unavailable) for one in tries)
        assert waited_s < 3 * (options.delivery_s + options.connect_s)
        publish_in_the_end(log, [NewRecord(topic, "after", b"x")])
        assert [record.key for record in everything(log, topic) if record.key != "lost?"] == [
            "before",
            "after",
        ]


def test_a_caller_with_little_time_is_told_in_time_and_leaves_the_producer_to_others(
    own_server: Running,
) -> None:
    topics = a_topic(1)
    (topic,) = topics
    (broker,) = own_server.daemons
    with opened(own_server, topics) as log:
        log.publish([NewRecord(topic, "before", b"x")])
        broker.pause()
        started_s = time.monotonic()
        with within(1.5), pytest.raises(Unavailable) as caught:
            log.publish([NewRecord(topic, "impatient", b"x")])
        waited_s = time.monotonic() - started_s
        with ThreadPoolExecutor(1) as pool:
            patient = pool.submit(log.publish, [NewRecord(topic, "patient", b"x")])
            broker.send(signal.SIGCONT)

        assert caught.value.reason == "LOG_SLOW"
        assert waited_s < 1.5
        assert patient.result()
        assert [record.key for record in everything(log, topic)] == ["before", "impatient", "patient"]


def test_callers_who_all_leave_early_do_not_keep_a_failed_producer(own_server: Running) -> None:
    topics = a_topic(1)
    (topic,) = topics
    options = KafkaOptions(delivery_s=3.0, request_s=2.0)
    (broker,) = own_server.daemons
    with opened(own_server, topics, options) as log:
        log.publish([NewRecord(topic, "before", b"x")])
        broker.pause()
        end_s = time.monotonic() + 2 * options.delivery_s
        while time.monotonic() < end_s:
            with within(1.0), pytest.raises(Unavailable):
                log.publish([NewRecord(topic, "lost?", b"x")])
        broker.send(signal.SIGCONT)

        def published() -> bool:
            with within(1.0), suppress(Unavailable):
                return bool(log.publish([NewRecord(topic, "after", b"x")]))
            return False

        wait_until(published, "publishing never works again", patience_s=PATIENCE_S)


def publish_in_the_end(log: KafkaLog, records: Sequence[NewRecord]) -> None:
    """Publish as an event loop does: again until it is confirmed."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            log.publish(records)
        except Unavailable:
            assert time.monotonic() < end_s
        else:
            return


def test_readers_and_writers_go_on_after_the_broker_was_killed_and_came_back(own_server: Running) -> None:
    topics = a_topic()
    (topic,) = topics
    (broker,) = own_server.daemons
    with (
        opened(own_server, topics) as log,
        log.consumer("group", [topic]) as consumer,
        log.tail([topic], start="beginning") as tail,
    ):
        log.publish([NewRecord(topic, f"key {n}", b"before") for n in range(10)])
        first = read(consumer, 10)
        consumer.commit({record.source: Commit(record.position.offset + 1) for record in first})
        broker.kill()
        again = daemons.start(broker.program)
        try:
            wait_ready(again, servers(own_server), brokers=1)
            publish_in_the_end(log, [NewRecord(topic, f"key {n}", b"after") for n in range(10)])

            assert {record.value for record in read(consumer, 10)} == {b"after"}
            assert Counter(record.value for record in read(tail, 20)) == {b"before": 10, b"after": 10}
        finally:
            again.stop()


def test_a_member_that_was_away_sees_its_partitions_go_before_they_come_back(kafka_server: Running) -> None:
    topics = a_topic()
    (topic,) = topics
    # away for longer than it may: the group gives the partitions up without asking
    options = KafkaOptions(poll_interval_s=1.0)
    with opened(kafka_server, topics, options) as log, log.consumer("group", [topic]) as consumer:
        log.publish([NewRecord(topic, f"key {n}", b"") for n in range(10)])
        first = read(consumer, 10)
        owned = consumer.assignment()
        assert len(owned) == 2
        time.sleep(2.5)  # this is what the test is about

        with pytest.raises(Conflict):
            consumer.commit({record.source: Commit(record.position.offset + 1) for record in first})
        seen: list[Record] = []
        shown = False
        end_s = time.monotonic() + PATIENCE_S
        while len(seen) < 10:
            assert time.monotonic() < end_s
            seen += consumer.poll(0.3, most=10)
            shown |= not consumer.assignment()
            assert shown or not seen, "records came again before the loss was shown"
        assert {record.position for record in seen} == {record.position for record in first}
        assert consumer.assignment() == owned


def test_a_paused_partition_stays_paused_when_the_group_is_shared_out_anew(kafka_server: Running) -> None:
    topics = a_topic(4)
    (topic,) = topics
    with opened(kafka_server, topics) as log, log.consumer("group", [topic]) as consumer:
        wait_until(lambda: _owned(consumer) == 4, "", patience_s=PATIENCE_S)
        consumer.pause(consumer.assignment())
        log.publish([NewRecord(topic, f"key {n}", b"") for n in range(40)])
        stop = threading.Event()
        other = threading.Thread(target=_poll_until, args=(log, topic, stop))
        other.start()
        wait_until(lambda: _owned(consumer) == 2, "", patience_s=PATIENCE_S)

        kept = consumer.assignment()
        assert not consumer.poll(1.0, most=10)
        consumer.resume(kept)
        assert {record.source for record in read(consumer, 10)} <= kept
        stop.set()
        other.join()


def _owned(consumer: Consumer) -> int:
    assert not consumer.poll(0.1, most=1)
    return len(consumer.assignment())


def _poll_until(log: KafkaLog, topic: str, stop: threading.Event) -> None:
    with log.consumer("group", [topic]) as consumer:
        while not stop.is_set():
            consumer.poll(0.1, most=10)


def test_many_processes_may_create_the_topics_at_once(kafka_server: Running) -> None:
    topics = {f"things.done-{uuid.uuid4()}": TopicSettings(2) for _ in range(5)}

    def create(_: int) -> None:
        with opened(kafka_server, topics):
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, range(4)))

    assert drift_of(servers(kafka_server), topics, KafkaOptions()) == []


def test_another_number_of_partitions_is_refused(kafka_server: Running) -> None:
    topics = a_topic(2)
    with opened(kafka_server, topics):
        pass

    with (
        pytest.raises(Conflict, match="has 2 partitions in Kafka and 3"),
        opened(kafka_server, dict.fromkeys(topics, TopicSettings(3))),
    ):
        pass


def test_drift_is_told_and_logged_in_words(kafka_server: Running, caplog: pytest.LogCaptureFixture) -> None:
    topics = a_topic(2)
    (topic,) = topics
    with opened(kafka_server, topics):
        pass
    compacted = {topic: TopicSettings(2, compacted=True), "not.there": TopicSettings()}

    drift = drift_of(servers(kafka_server), compacted, KafkaOptions())
    assert "not.there is missing" in drift
    assert f"{topic} has cleanup.policy=delete instead of compact" in drift
    with caplog.at_level(logging.WARNING), opened(kafka_server, {topic: compacted[topic]}):
        pass
    assert "cleanup.policy=delete instead of compact" in caplog.text


def test_nobody_there_is_unavailable() -> None:
    (port,) = daemons.free_ports(1)

    with pytest.raises(Unavailable):
        KafkaLog(f"127.0.0.1:{port}", a_topic(), options=KafkaOptions(start_s=0.5, connect_s=1.0))


def test_what_cannot_connect_leaves_no_thread_behind(own_server: Running) -> None:
    topics = a_topic()
    (topic,) = topics
    with opened(own_server, topics, KafkaOptions(connect_s=0.5)) as log:
        own_server.stop()
        before = threading.active_count()
        for _ in range(3):
            with pytest.raises(Unavailable):
                log.consumer("group", [topic])
            with pytest.raises(Unavailable):
                log.end_offsets(topic)

        assert threading.active_count() <= before


def test_a_broker_of_three_may_die_while_records_flow_and_none_is_lost(tmp_path: Path) -> None:
    topics = a_topic(6)
    (topic,) = topics
    with running(KafkaServer(brokers=3, heap_mb=256), tmp_path / "cluster") as cluster:
        confirmed: list[str] = []
        stop = threading.Event()
        with opened(cluster, topics) as log:
            writers = [
                threading.Thread(target=_write, args=(log, topic, f"{n}", confirmed, stop)) for n in range(4)
            ]
            for writer in writers:
                writer.start()
            wait_until(lambda: len(confirmed) > 200, "nothing flows", patience_s=PATIENCE_S)
            cluster.daemons[1].kill()
            so_far = len(confirmed)
            wait_until(lambda: len(confirmed) > so_far + 500, "it stopped", patience_s=PATIENCE_S)
            stop.set()
            for writer in writers:
                writer.join()
            found = [record.key for record in everything(log, topic)]

        assert set(confirmed) <= set(found)
        in_order = {name: [key for key in found if key.startswith(f"{name}/")] for name in "0123"}
        assert all(len(keys) == len(set(keys)) for keys in in_order.values()), "something was doubled"


def _write(log: KafkaLog, topic: str, name: str, confirmed: list[str], stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        key = f"{name}/{number}"
        with suppress(Unavailable):  # then it may be there or not, and is not written again here
            log.publish([NewRecord(topic, key, b"x")])
            confirmed.append(key)
        number += 1
