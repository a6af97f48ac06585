from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from fovea.gateway.v1 import events_pb2 as gateway
from services.kernel.errors import Unavailable, Unsupported
from services.runtime.assembly import Assembly
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_loop import Subscription
from services.runtime.events import EventWriter
from services.runtime.grpc_channel import Channel, check_health, open_channel
from services.runtime.metrics import Metrics
from services.runtime.process import Process, Resources
from services.runtime.settings import ProcessSettings
from services.runtime.topics import TOPICS
from tests.fakes.echo import Echo

OUTER = "fovea.test.v1.OuterService"
INNER = "fovea.test.v1.InnerService"


@dataclass
class Noted:
    """Background work that notes what happens to it."""

    name: str
    notes: list[str]

    def start(self) -> None:
        self.notes.append(f"{self.name} started")

    def close(self) -> None:
        self.notes.append(f"{self.name} closed")


@dataclass
class Feedback:
    """Handles feedback; `wait` makes it slow."""

    seen: list[str] = field(default_factory=list)
    wait: Callable[[], object] = int

    def __call__(self, event: gateway.FeedbackGiven) -> None:
        self.wait()
        self.seen.append(event.recognition_id)


@pytest.fixture
def settings() -> ProcessSettings:
    return ProcessSettings(port=0, admin_port=0, drain_grace_s=10.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    yield opened
    opened.close()


def outer(implementation: Echo | None = None, **parts: Any) -> Assembly:
    return Assembly("outer", servicers=((implementation or Echo()).servicer(OUTER),), **parts)


def say(log: SqliteLog, recognition_id: str) -> None:
    event = gateway.FeedbackGiven(recognition_id=recognition_id)
    event.collection.tenant = event.collection.collection = "default"
    log.publish([EventWriter(TOPICS, producer="test/1").record(event)])


@contextmanager
def handling(feedback: Feedback, settings: ProcessSettings, log: SqliteLog) -> Iterator[None]:
    training = Assembly("training", subscriptions=(Subscription("feedback.given", "training", feedback),))
    process = Process([training], settings, resources=Resources(log=log))
    process.start()
    yield
    assert process.drain()


def echo(channel: Channel, service: str, request: bytes) -> bytes:
    answer: bytes = channel.unary_unary(f"/{service}/Echo")(request)
    return answer


def ready(admin_port: int) -> int:
    connection = HTTPConnection("127.0.0.1", admin_port, timeout=5)
    connection.request("GET", "/readyz")
    status = connection.getresponse().status
    connection.close()
    return status


def eventually(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not come to pass")


def test_a_service_is_let_in_when_its_checks_pass(settings: ProcessSettings) -> None:
    up = threading.Event()

    def check() -> None:
        if not up.is_set():
            raise Unavailable("not loaded")

    process = Process([outer(checks={"model": check})], settings)
    doors = process.start()
    with open_channel(f"127.0.0.1:{doors.port}") as channel:
        with pytest.raises(Unavailable, match="not ready yet"):
            echo(channel, OUTER, b"x")
        with pytest.raises(Unavailable, match="NOT_SERVING"):
            check_health(channel)
        assert ready(doors.admin_port) == 503
        up.set()
        assert process.wait_until_ready(10.0)

        check_health(channel, OUTER)
        check_health(channel)
        assert echo(channel, OUTER, b"x") == b"x"
        assert ready(doors.admin_port) == 200
        up.clear()
        eventually(lambda: ready(doors.admin_port) == 503)
        assert echo(channel, OUTER, b"x") == b"x", "an open service answers as well as it can"
    assert process.drain()


def test_internal_services_are_reached_over_the_unix_socket_alone(tmp_path: Path) -> None:
    path = tmp_path / "fovea.sock"
    settings = ProcessSettings(port=0, admin_port=0, socket_path=path)
    inside = open_channel(f"unix:{path}")
    through = Echo(lambda request: b"outer of " + echo(inside, INNER, request))
    inner = Assembly("inner", servicers=(Echo(lambda request: b"inner of " + request).servicer(INNER),))
    process = Process([outer(through)], settings, internal=[inner])
    doors = process.start()
    assert process.wait_until_ready(10.0)
    with open_channel(f"127.0.0.1:{doors.port}") as outside, inside:
        assert echo(outside, OUTER, b"x") == b"outer of inner of x"
        assert echo(inside, INNER, b"x") == b"inner of x"
        with pytest.raises(Unsupported, match="Method not found"):
            echo(outside, INNER, b"x")
        assert process.drain()


def test_a_service_handles_events_once_it_is_ready(settings: ProcessSettings, log: SqliteLog) -> None:
    up = threading.Event()
    feedback = Feedback()

    def check() -> None:
        if not up.is_set():
            raise Unavailable("not loaded")

    training = Assembly(
        "training",
        subscriptions=(Subscription("feedback.given", "training", feedback),),
        checks={"model": check},
    )
    metrics = Metrics()
    process = Process([training], settings, resources=Resources(log=log, metrics=metrics))
    process.start()
    say(log, "one")
    time.sleep(0.2)
    assert not feedback.seen
    up.set()
    eventually(lambda: feedback.seen == ["one"])

    assert process.drain()
    assert b"fovea_build_info{" in generate_latest(metrics.registry)
    sample = metrics.registry.get_sample_value(
        "fovea_events_processed_total", {"topic": "feedback.given", "group": "training", "outcome": "ok"}
    )
    assert sample == 1


def test_an_event_in_hand_is_finished_and_committed_before_the_process_ends(
    settings: ProcessSettings, log: SqliteLog
) -> None:
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        time.sleep(1.0)

    slow, quick = Feedback(wait=wait), Feedback()
    with handling(slow, settings, log):
        say(log, "one")
        assert begun.wait(5)
    assert slow.seen == ["one"]
    with handling(quick, settings, log):
        say(log, "two")
        eventually(lambda: quick.seen)
    assert quick.seen == ["two"]


def test_a_call_that_waits_for_an_event_is_still_answered_while_draining(
    settings: ProcessSettings, log: SqliteLog
) -> None:
    handled, called = threading.Event(), threading.Event()

    def remember(request: bytes) -> bytes:
        called.set()
        time.sleep(0.2)
        say(log, "one")
        return request if handled.wait(10) else b"never"

    assembly = outer(
        Echo(remember),
        subscriptions=(Subscription("feedback.given", "training", lambda _: handled.set()),),
    )
    process = Process([assembly], settings, resources=Resources(log=log))
    doors = process.start()
    assert process.wait_until_ready(10.0)
    with open_channel(f"127.0.0.1:{doors.port}") as channel, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(echo, channel, OUTER, b"x")
        called.wait(5)

        assert process.drain()
        assert answer.result() == b"x"


def test_background_work_starts_first_and_is_closed_last_in_reverse(settings: ProcessSettings) -> None:
    notes: list[str] = []
    assembly = outer(
        Echo(lambda request: notes.append("called") or request),  # type: ignore[func-returns-value]
        background=(Noted("follower", notes), Noted("sweeper", notes)),
    )
    process = Process([assembly], settings)
    doors = process.start()
    process.wait_until_ready(10.0)
    with open_channel(f"127.0.0.1:{doors.port}") as channel:
        echo(channel, OUTER, b"x")
    process.drain()

    assert notes == ["follower started", "sweeper started", "called", "sweeper closed", "follower closed"]


def test_background_work_that_fails_to_close_does_not_keep_the_rest_open(
    settings: ProcessSettings, caplog: pytest.LogCaptureFixture
) -> None:
    notes: list[str] = []

    class Broken(Noted):
        def close(self) -> None:
            raise OSError("disk full")

    process = Process([outer(background=(Noted("first", notes), Broken("second", notes)))], settings)
    process.start()

    assert not process.drain()
    assert "first closed" in notes
    assert "disk full" in caplog.text


def test_a_port_in_use_ends_the_start(settings: ProcessSettings) -> None:
    process = Process([outer()], settings)
    doors = process.start()
    with pytest.raises(OSError, match="for metrics and health"):
        Process([outer()], ProcessSettings(port=0, admin_port=doors.admin_port)).start()
    other = Process([outer()], ProcessSettings(port=doors.port, admin_port=0))
    with pytest.raises(OSError, match="is the port in use"):
        other.start()
    process.drain()
