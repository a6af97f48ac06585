from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from services.kernel.errors import (
    Conflict,
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
    Unsupported,
)
from services.runtime import deadline, tracing
from services.runtime.grpc_channel import Channel, check_health, open_channel
from services.runtime.grpc_server import GrpcServer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from tests.fakes import echo
from tests.fakes.echo import Echo


@contextmanager
def connected(implementation: Echo, **options: Any) -> Iterator[Channel]:
    server = GrpcServer([implementation.servicer()], ProcessSettings(), Metrics())
    port = server.listen("127.0.0.1", 0)
    with server, open_channel(f"127.0.0.1:{port}", **options) as channel:
        server.set_serving(echo.NAME, serving=True)
        yield channel


def remembering(seen: list[Any], look: Callable[[], Any]) -> Callable[[bytes], bytes]:
    def unary(request: bytes) -> bytes:
        seen.append(look())
        return request

    return unary


def test_all_four_kinds_of_call_go_through() -> None:
    with connected(Echo()) as channel:
        assert channel.unary_unary(echo.UNARY)(b"one") == b"one"
        assert list(channel.unary_stream(echo.WATCH)(b"one")) == [b"one"]
        assert channel.stream_unary(echo.COLLECT)(iter([b"a", b"b"])) == b"ab"
        assert list(channel.stream_stream(echo.EXCHANGE)(iter([b"a", b"b"]))) == [b"a", b"b"]


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("bad", field="image", reason="TOO_DARK"),
        NotFound("none", field="collection"),
        Conflict("there", reason="COLLECTION_EXISTS"),
        Unsupported("cannot"),
        Overloaded("full", retry_after_s=3.0),
        Unavailable("down"),
    ],
)
def test_an_error_of_the_other_service_is_raised_as_it_was(error: FoveaError) -> None:
    def failing(_: bytes) -> bytes:
        raise error

    with connected(Echo(failing)) as channel, pytest.raises(type(error)) as caught:
        channel.unary_unary(echo.UNARY)(b"x")

    assert vars(caught.value) == vars(error)
    assert isinstance(caught.value.__cause__, grpc.RpcError)


def test_an_error_in_a_stream_is_raised_where_it_came() -> None:
    def watch(request: bytes) -> Iterator[bytes]:
        yield request
        raise NotFound("no more")

    with connected(Echo(watch=watch)) as channel:
        answers = channel.unary_stream(echo.WATCH)(b"x")
        assert next(answers) == b"x"
        with pytest.raises(NotFound):
            next(answers)


def test_a_call_gets_what_is_left_of_the_call_around_it() -> None:
    seen: list[float] = []
    with connected(Echo(remembering(seen, deadline.remaining_s)), timeout_s=50.0) as channel:
        with deadline.within(3.0):
            channel.unary_unary(echo.UNARY)(b"x")
            channel.unary_unary(echo.UNARY)(b"x", timeout=1.0)
            channel.unary_unary(echo.UNARY)(b"x", timeout=20.0)
        channel.unary_unary(echo.UNARY)(b"x")

    assert [round(left) for left in seen] == [3, 1, 3, 50]


def test_no_call_is_made_when_no_time_is_left() -> None:
    seen: list[None] = []
    with connected(Echo(remembering(seen, lambda: None))) as channel, deadline.within(0.01):
        time.sleep(0.02)
        with pytest.raises(DeadlineExceeded):
            channel.unary_unary(echo.UNARY)(b"x")

    assert not seen


def test_a_call_belongs_to_the_current_trace() -> None:
    seen: list[tracing.TraceContext] = []
    with connected(Echo(remembering(seen, tracing.current))) as channel:
        mine = tracing.begin(None)
        token = tracing.enter(mine)
        channel.unary_unary(echo.UNARY)(b"x")
        tracing.restore(token)

    assert (seen[0].trace_id, seen[0].parent_id) == (mine.trace_id, mine.span_id)


def _failing_twice(calls: list[int]) -> Callable[[bytes], bytes]:
    def unary(request: bytes) -> bytes:
        calls.append(1)
        if len(calls) < 3:
            raise Unavailable("for a moment")
        return request

    return unary


@pytest.mark.parametrize("name", [echo.NAME, f"{echo.NAME}/Echo"])
def test_an_idempotent_method_is_tried_again_when_unavailable(name: str) -> None:
    calls: list[int] = []
    with connected(Echo(_failing_twice(calls)), idempotent=[name]) as channel:
        assert channel.unary_unary(echo.UNARY)(b"x" * 1_000_000) == b"x" * 1_000_000

    assert len(calls) == 3


def test_any_other_method_is_tried_once() -> None:
    calls: list[int] = []
    with connected(Echo(_failing_twice(calls))) as channel, pytest.raises(Unavailable):
        channel.unary_unary(echo.UNARY)(b"x")

    assert len(calls) == 1


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with open_channel("127.0.0.1:1") as channel, pytest.raises(Unavailable):
        channel.unary_unary(echo.UNARY)(b"x")


def test_a_message_over_the_limit_is_refused_before_it_is_sent() -> None:
    with connected(Echo(), message_bytes=1000) as channel, pytest.raises(InvalidInput, match="1000"):
        channel.unary_unary(echo.UNARY)(b"x" * 2000)


def test_leaving_a_stream_cancels_it() -> None:
    gone = threading.Event()

    def watch(request: bytes) -> Iterator[bytes]:
        try:
            while True:
                yield request
                deadline.check()
        finally:
            gone.set()

    with connected(Echo(watch=watch)) as channel:
        with channel.unary_stream(echo.WATCH)(b"x") as answers:
            assert next(answers) == b"x"
        assert gone.wait(5)


def test_health_says_whether_a_service_serves() -> None:
    server = GrpcServer([Echo().servicer()], ProcessSettings(), Metrics())
    port = server.listen("127.0.0.1", 0)
    with server, open_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(Unavailable, match="NOT_SERVING"):
            check_health(channel, echo.NAME)
        server.set_serving(echo.NAME, serving=True)
        check_health(channel, echo.NAME)
        with pytest.raises(Unavailable, match="does not answer"):
            check_health(channel, "fovea.Unknown")
    with open_channel("127.0.0.1:1") as channel, pytest.raises(Unavailable, match="does not answer"):
        check_health(channel)
