"""The threads of a loop: they share the work, stop cleanly, come back, and outlive a deadly event."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fovea.gateway.v1.events_pb2 import ExemplarSubmitted, ImageSubmitted
from fovea.kernel.v1.envelope_pb2 import CollectionKey
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.kernel.errors import Overloaded, Unavailable
from services.runtime import metrics
from services.runtime.dead_letters import DeadLetter
from services.runtime.event_log.ports import Consumer
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_loop import EventLoop, Platform, PrometheusEventMetrics, RetryPolicy, Subscription
from services.runtime.events import EventWriter
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS
from tests.unit.runtime.event_loop import die_of_poison
from tests.unit.runtime.event_loop.platforms import GROUP, IN, Bench, Flaky, propose

PATIENCE_S = 30.0


def platform(log: Flaky) -> Platform:
    return Platform(log, TOPICS, "segmentation", "0.1.0", retry=RetryPolicy(base_s=0.01, cap_s=0.05))


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_several_threads_share_the_work_and_stop_when_asked(bench: Bench) -> None:
    threads = set()

    def handle(event: ImageSubmitted) -> RegionsProposed:
        threads.add(threading.current_thread().name)
        return propose(event)

    loop = EventLoop(Subscription(IN, GROUP, handle, workers=2), platform(bench.log))
    loop.start()
    names = [f"r{number}" for number in range(200)]
    for name in names:
        bench.submit(name)
    eventually(lambda: len(bench.proposed()) >= 200)
    loop.check()
    loop.stop()

    assert loop.join(PATIENCE_S)
    assert Counter(bench.proposed()) == Counter(names)
    assert len(threads) == 2


def test_stopping_waits_for_the_event_in_hand(bench: Bench) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(event: ImageSubmitted) -> RegionsProposed:
        begun.set()
        go_on.wait(PATIENCE_S)
        return propose(event)

    loop = EventLoop(Subscription(IN, GROUP, slow), platform(bench.log))
    loop.start()
    bench.submit("a")
    assert begun.wait(PATIENCE_S)
    loop.stop()
    assert not loop.join(0.05)
    go_on.set()

    assert loop.join(PATIENCE_S)
    assert bench.proposed() == ["a"]


def test_an_idle_loop_stops_soon(bench: Bench) -> None:
    loop = EventLoop(Subscription(IN, GROUP, propose), platform(bench.log))
    loop.start()
    started = time.monotonic()
    loop.stop()

    assert loop.join(PATIENCE_S)
    assert time.monotonic() - started < 5


class Unreachable(Flaky):
    """A log that nobody can join until it is told to be there."""

    there = False

    def consumer(self, group: str, topics: list[str]) -> Consumer:  # type: ignore[override]
        if not self.there:
            raise Unavailable("no broker")
        return super().consumer(group, topics)


def test_a_loop_that_cannot_join_says_so_and_joins_when_it_can(bench: Bench) -> None:
    log = Unreachable(bench.log)
    loop = EventLoop(Subscription(IN, GROUP, propose), platform(log))
    bench.submit("a")
    loop.start()

    eventually(lambda: _unhealthy(loop))
    with pytest.raises(Unavailable, match="no broker"):
        loop.check()
    log.there = True
    eventually(lambda: bench.proposed() == ["a"])
    eventually(lambda: not _unhealthy(loop))
    loop.stop()
    assert loop.join(PATIENCE_S)


def _unhealthy(loop: EventLoop) -> bool:
    try:
        loop.check()
    except Unavailable:
        return True
    return False


def test_a_loop_that_was_not_started_is_not_healthy(bench: Bench) -> None:
    loop = EventLoop(Subscription(IN, GROUP, propose), platform(bench.log))

    assert _unhealthy(loop)
    loop.stop()
    assert loop.join(1.0)


def test_the_catalogue_shows_what_the_loop_did(bench: Bench) -> None:
    registry = CollectorRegistry()
    noted = PrometheusEventMetrics(metrics.EventMetrics(registry), IN, GROUP)
    loop = EventLoop(Subscription(IN, GROUP, propose, metrics=noted), platform(bench.log))
    bench.submit("a", "b")
    loop.start()
    eventually(lambda: len(bench.proposed()) == 2)
    loop.stop()
    loop.join(PATIENCE_S)
    noted.dead_letter("BAD")
    noted.paused(1, paused=True)

    source = {"topic": IN, "group": GROUP}
    value = registry.get_sample_value
    assert value("fovea_events_received_total", source) == 2
    assert value("fovea_events_processed_total", source | {"outcome": "ok"}) == 2
    assert value("fovea_event_process_seconds_count", source) == 2
    assert value("fovea_event_age_seconds_count", source) == 2
    assert value("fovea_dead_letters_total", source | {"reason": "BAD"}) == 1
    assert value("fovea_partition_paused", source | {"partition": "1"}) == 1


def run_to_the_end(folder: Path, events: int) -> int:
    """Run the process until an event kills it or all are done with; return its exit code."""
    command = [sys.executable, "-m", die_of_poison.__name__, str(folder / "events.db"), str(events)]
    return subprocess.run(command, check=False, timeout=60).returncode


def test_a_process_that_an_event_kills_gets_rid_of_it_and_loses_nothing(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    names = [f"r{number}" for number in range(20)]
    Bench(Flaky(log)).submit(*names[:10], "poison", *names[10:])
    log.close()

    ends = [run_to_the_end(tmp_path, 21) for _ in range(4)]

    log = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    bench = Bench(Flaky(log))
    (letter,) = bench.read(f"{IN}.dead")
    events = {record.headers["event-id"] for record in bench.read("regions.proposed")}
    proposed = bench.proposed()
    log.close()
    assert ends == [-9, -9, -9, 0]
    assert DeadLetter.of_record(letter).cause.reason == "KILLED_PROCESS"
    assert set(proposed) == set(names)
    assert len(events) == len(names)


def test_an_event_that_was_at_work_beside_a_deadly_one_is_not_blamed(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    bench = Bench(Flaky(log))
    bench.submit("poison")
    key = CollectionKey(tenant="default", collection="birds")
    bystander = ExemplarSubmitted(collection=key, exemplar_id="bystander", forget=True)
    Publisher(log, EventWriter(TOPICS, producer="gateway/0.1.0")).publish(bystander)
    log.close()

    ends = [run_to_the_end(tmp_path, 2) for _ in range(4)]

    log = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    bench = Bench(Flaky(log))
    dead = [record.key for topic in (IN, die_of_poison.BESIDE_IN) for record in bench.read(f"{topic}.dead")]
    (handled,) = bench.read(die_of_poison.BESIDE_OUT)
    log.close()
    assert ends == [-9, -9, -9, 0]
    assert dead == ["default/birds/poison"]
    assert handled.key == "default/birds/bystander"


def test_waits_are_a_random_part_of_a_growing_ceiling() -> None:
    policy = RetryPolicy(base_s=0.1, cap_s=30.0)
    error = Unavailable("down")

    assert policy.delay_s(error, 1, lambda: 0.0) == 0.0
    assert [policy.delay_s(error, n, lambda: 1.0) for n in (1, 2, 3, 9, 10, 10_000)] == [
        0.1,
        0.2,
        0.4,
        25.6,
        30,
        30,
    ]
    assert policy.delay_s(Overloaded("full", retry_after_s=2.0), 1, lambda: 1.0) == 2.0
