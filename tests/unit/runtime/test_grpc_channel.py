from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
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
from services.runtime.grpc_channel import Channel, address, check_health, open_channel
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


@contextmanager
def replicas(*implementations: Echo) -> Iterator[tuple[list[GrpcServer], str]]:
    with ExitStack() as stack:
        servers = [GrpcServer([one.servicer()], ProcessSettings(), Metrics()) for one in implementations]
        ports = [server.listen("127.0.0.1", 0) for server in servers]
        for server in servers:
            stack.enter_context(server).set_serving(echo.NAME, serving=True)
        yield servers, ",".join(f"127.0.0.1:{port}" for port in ports)


def test_replicas_share_the_calls() -> None:
    seen: list[str] = []
    each = [Echo(remembering(seen, partial(str, name))) for name in "ab"]
    with replicas(*each) as (_, target), open_channel(target, idempotent=[echo.NAME]) as channel:
        until = time.monotonic() + 5
        while set(seen) != {"a", "b"} and time.monotonic() < until:
            channel.unary_unary(echo.UNARY)(b"x")

    assert set(seen) == {"a", "b"}


def test_while_a_replica_drains_the_others_have_its_calls() -> None:
    answered: list[bytes] = []
    with (
        replicas(Echo(), Echo()) as (servers, target),
        open_channel(target, idempotent=[echo.NAME]) as channel,
    ):
        call = channel.unary_unary(echo.UNARY)
        drain = threading.Thread(target=servers[0].drain, kwargs={"wait_s": 0.0, "grace_s": 5.0})
        drain.start()
        while drain.is_alive():
            answered.append(call(b"x"))
        answered.append(call(b"x"))

    assert set(answered) == {b"x"}


def test_a_replica_that_does_not_serve_is_not_asked() -> None:
    never_again = f"{echo.NAME}/Other"
    with (
        replicas(Echo(), Echo()) as (servers, target),
        open_channel(target, idempotent=[never_again]) as channel,
    ):
        call = channel.unary_unary(echo.UNARY)
        until = time.monotonic() + 5
        drain = threading.Thread(target=servers[0].drain, kwargs={"wait_s": 0.5, "grace_s": 5.0})
        drain.start()
        while drain.is_alive():
            assert call(b"x") == b"x"
            assert time.monotonic() < until


@pytest.mark.parametrize("target", ["one:1,other:2", "127.0.0.1:1,[::1]:2", "127.0.0.1,127.0.0.2:1,"])
def test_several_servers_are_given_by_address(target: str) -> None:
    with pytest.raises(InvalidInput, match="dns:///"):
        open_channel(target)


@pytest.mark.parametrize(
    ("target", "address_"),
    [
        ("127.0.0.1:1,127.0.0.2:1", "ipv4:127.0.0.1:1,127.0.0.2:1"),
        ("[::1]:1,[::1]:2", "ipv6:[::1]:1,[::1]:2"),
        ("ipv4:127.0.0.1:1,127.0.0.2:1", "ipv4:127.0.0.1:1,127.0.0.2:1"),
        ("dns:///ranking:1", "dns:///ranking:1"),
        ("unix:/a,b", "unix:/a,b"),
    ],
)
def test_a_target_becomes_what_grpc_calls_it(target: str, address_: str) -> None:
    assert address(target) == address_


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
