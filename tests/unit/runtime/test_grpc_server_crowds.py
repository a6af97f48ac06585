"""More callers than there is room for, and callers who are slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from services.kernel.errors import (
    DeadlineExceeded,
    Overloaded,
)
from services.runtime.grpc_errors import from_rpc_error
from tests.fakes import echo
from tests.fakes.echo import Echo
from tests.unit.runtime.running import SERVING, serving


def test_when_all_threads_and_places_are_taken_a_call_is_told_when_to_come_back() -> None:
    release = threading.Event()
    started = threading.Semaphore(0)

    def unary(request: bytes) -> bytes:
        started.release()
        release.wait(20)
        return request

    with serving(Echo(unary), worker_threads=2, queued_calls=1) as running, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(running.call, b"x", 20.0) for _ in range(3)]
        started.acquire(timeout=10)
        started.acquire(timeout=10)
        time.sleep(0.2)

        error = running.error()
        assert isinstance(error, Overloaded)
        assert (error.reason, error.retry_after_s) == ("FULL", 0.5)
        assert running.health(echo.NAME) == SERVING, "health is answered even when the service is full"
        release.set()
        assert [call.result() for call in waiting] == [b"x"] * 3
        assert running.call(b"again") == b"again"
        assert 'fovea_rpc_shed_total{reason="full"' in running.text()


def test_a_cancelled_call_gives_its_place_back_even_if_it_never_started() -> None:
    release = threading.Event()

    def unary(request: bytes) -> bytes:
        release.wait(20)
        return request

    with serving(Echo(unary), worker_threads=1, queued_calls=1) as running:
        method = running.channel.unary_unary(echo.UNARY)
        first = method.future(b"x", timeout=20)
        time.sleep(0.1)
        second = method.future(b"x", timeout=20)
        time.sleep(0.1)
        second.cancel()
        release.set()
        assert first.result() == b"x"
        time.sleep(0.2)

        assert [running.call(b"y") for _ in range(3)] == [b"y"] * 3


def test_callers_who_are_slow_to_send_their_message_keep_nobody_waiting_and_are_cut_off() -> None:
    enough = threading.Event()

    def message() -> Iterator[bytes]:
        enough.wait(20)
        yield b"late"

    with serving(Echo(), worker_threads=1, queued_calls=3, message_wait_s=0.5) as running:
        begin = running.channel.stream_unary(echo.UNARY)  # on the wire one message is a stream of one
        slow = [begin.future(message(), timeout=20) for _ in range(3)]
        while running.server._gate.lanes[echo.NAME].unary.held < len(slow):
            time.sleep(0.01)

        assert running.call(b"x") == b"x"
        assert [one.code() for one in slow] == [grpc.StatusCode.CANCELLED] * 3
        enough.set()
        assert running.call(b"x") == b"x"


def test_a_call_that_never_sends_a_message_says_so() -> None:
    with serving(Echo()) as running:
        with pytest.raises(grpc.RpcError) as caught:
            running.channel.stream_unary(echo.UNARY)(iter(()), timeout=5)
        with pytest.raises(grpc.RpcError) as watched:
            list(running.channel.stream_stream(echo.WATCH)(iter(()), timeout=5))

    assert from_rpc_error(caught.value).reason == "MALFORMED_MESSAGE"
    assert from_rpc_error(watched.value).reason == "MALFORMED_MESSAGE"


def test_a_call_whose_turn_comes_too_late_is_late() -> None:
    release = threading.Event()

    def unary(request: bytes) -> bytes:
        release.wait(20)
        return request

    with serving(Echo(unary), worker_threads=1, queued_calls=1) as running:
        first = running.channel.unary_unary(echo.UNARY).future(b"x", timeout=20)
        assert isinstance(running.error(timeout=0.3), DeadlineExceeded)
        release.set()
        assert first.result() == b"x"
        assert running.call(b"y") == b"y"


def test_open_streams_never_keep_a_unary_call_from_being_answered() -> None:
    release = threading.Event()

    def watch(request: bytes) -> Iterator[bytes]:
        yield request
        release.wait(20)

    with serving(Echo(watch=watch), worker_threads=1, queued_calls=0, stream_threads=3) as running:
        streams = [running.channel.unary_stream(echo.WATCH)(b"x") for _ in range(3)]
        assert [next(stream) for stream in streams] == [b"x"] * 3

        assert running.call(b"one") == b"one"
        with pytest.raises(grpc.RpcError) as caught:
            next(running.channel.unary_stream(echo.WATCH)(b"one too many"))
        assert isinstance(from_rpc_error(caught.value), Overloaded)
        release.set()
