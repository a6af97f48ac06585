"""A server that ends: no call fails for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from services.kernel.errors import (
    DeadlineExceeded,
    FoveaError,
    Unavailable,
)
from services.runtime import deadline
from services.runtime.grpc_errors import from_rpc_error
from tests.fakes import echo
from tests.fakes.echo import Echo
from tests.unit.runtime.running import NOT_SERVING, SERVING, serving, until_given_up


def test_draining_fails_none_of_200_calls_in_flight() -> None:
    go_on = threading.Event()

    def unary(request: bytes) -> bytes:
        go_on.wait(30)
        time.sleep(0.05)
        return request

    with serving(Echo(unary), worker_threads=64) as running, ThreadPoolExecutor(201) as pool:
        calls = [pool.submit(running.call, b"%d" % number, 60.0) for number in range(200)]
        while running.server._gate.busy() < 200:
            time.sleep(0.01)
        drained = pool.submit(running.server.drain, wait_s=0.0, grace_s=30.0)
        running.server._gate.draining.wait(10)
        go_on.set()

        assert [call.result() for call in calls] == [b"%d" % number for number in range(200)]
        assert drained.result()


def test_a_drain_waits_until_nobody_calls_any_more() -> None:
    with serving(Echo()) as running:
        refusals: list[FoveaError] = []
        drained = threading.Thread(
            target=running.server.drain, kwargs={"wait_s": 0.0, "grace_s": 10.0}, daemon=True
        )
        drained.start()
        end = time.monotonic() + 1.0  # five times as long as it waits for silence
        while not refusals or time.monotonic() < end:
            try:
                running.call(b"x")
            except grpc.RpcError as error:
                refusals.append(from_rpc_error(error))
        drained.join(20)

    assert {error.reason for error in refusals} == {"DRAINING"}


def test_while_load_balancers_have_not_noticed_calls_are_still_answered() -> None:
    with serving(Echo()) as running, ThreadPoolExecutor(1) as pool:
        running.server.set_serving("", serving=True)
        assert running.health("") == SERVING
        drained = pool.submit(running.server.drain, wait_s=0.5, grace_s=5.0)
        time.sleep(0.2)

        assert running.health("") == NOT_SERVING
        assert running.health(echo.NAME) == NOT_SERVING
        assert running.call(b"x") == b"x"
        assert drained.result()
        assert isinstance(running.error(timeout=1.0), Unavailable | DeadlineExceeded)


def test_a_stream_that_only_listens_does_not_hold_up_the_drain() -> None:
    asked = threading.Event()

    def requests() -> Iterator[bytes]:
        yield b"one"
        asked.wait(20)

    with serving(Echo()) as running:
        answers = running.channel.stream_stream(echo.EXCHANGE)(requests())
        assert next(answers) == b"one"
        time.sleep(0.2)
        started = time.monotonic()
        assert running.server.drain(wait_s=0.0, grace_s=20.0)

        assert time.monotonic() - started < 10
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert isinstance(from_rpc_error(caught.value), Unavailable)
        asked.set()


def test_a_busy_stream_answers_what_it_has_read_and_then_says_that_it_drains() -> None:
    reading = threading.Event()

    def requests() -> Iterator[bytes]:
        for number in range(1000):
            yield b"%d" % number
            time.sleep(0.01)

    def exchange(incoming: Iterable[bytes]) -> Iterator[bytes]:
        for request in incoming:
            reading.set()
            time.sleep(0.05)
            yield request

    with serving(Echo(exchange=exchange)) as running, ThreadPoolExecutor(1) as pool:
        answers = running.channel.stream_stream(echo.EXCHANGE)(requests())
        drained = pool.submit(lambda: reading.wait(10) and running.server.drain(wait_s=0.0, grace_s=20.0))
        got: list[bytes] = []
        with pytest.raises(grpc.RpcError) as caught:
            got.extend(answers)

        assert drained.result()
    assert got == [b"%d" % number for number in range(len(got))]
    assert len(got) >= 1
    error = from_rpc_error(caught.value)
    assert isinstance(error, Unavailable)
    assert error.reason == "DRAINING"


def test_an_endless_watch_ends_when_the_process_drains() -> None:
    def watch(request: bytes) -> Iterator[bytes]:
        yield request
        while True:
            deadline.check(endless=True)
            time.sleep(0.01)

    with serving(Echo(watch=watch)) as running:
        answers = running.channel.unary_stream(echo.WATCH)(b"x")
        assert next(answers) == b"x"
        started = time.monotonic()
        assert running.server.drain(wait_s=0.0, grace_s=20.0)
        assert time.monotonic() - started < 10
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)

    assert from_rpc_error(caught.value).reason == "DRAINING"


def test_when_told_to_hurry_the_drain_cancels_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    given_up, begun, hurry = threading.Event(), threading.Event(), threading.Event()
    with serving(Echo(until_given_up(given_up, begun))) as running, ThreadPoolExecutor(1) as pool:
        call = pool.submit(running.error, timeout=30.0)
        assert begun.wait(20)
        threading.Timer(0.3, hurry.set).start()

        assert not running.server.drain(wait_s=0.0, grace_s=30.0, hurry=hurry)
        assert isinstance(call.result(), Unavailable)
        assert given_up.wait(5)
    assert "did not end in time" in caplog.text
