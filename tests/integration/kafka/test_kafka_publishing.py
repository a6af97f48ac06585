"""Publishing to Kafka where it, or a caller, does not wait."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from infra.local.daemons import wait_until
from infra.local.server import Running
from services.kernel.errors import InvalidInput, Unavailable
from services.runtime.deadline import within
from services.runtime.event_log.kafka import KafkaOptions
from services.runtime.event_log.ports import NewRecord
from tests.integration.kafka.logs import (
    KIB,
    PATIENCE_S,
    a_topic,
    everything,
    opened,
    publish_in_the_end,
)

pytestmark = pytest.mark.integration


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
