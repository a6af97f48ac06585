"""The Kafka adapter where Kafka and its client are awkward: each trap is walked into once."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from infra.local import daemons
from infra.local.daemons import wait_until
from infra.local.kafka import KafkaServer, wait_ready
from infra.local.server import Running, running
from services.kernel.errors import Conflict, Unavailable
from services.runtime.event_log.kafka import KafkaLog, KafkaOptions, drift_of
from services.runtime.event_log.ports import Commit, Consumer, NewRecord, Record
from services.runtime.event_log.settings import TopicSettings
from tests.integration.kafka.logs import (
    PATIENCE_S,
    a_topic,
    everything,
    opened,
    publish_in_the_end,
    read,
    servers,
)

pytestmark = pytest.mark.integration


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
