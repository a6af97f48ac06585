from __future__ import annotations

import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import generate_latest

from services.kernel.errors import (
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    Overloaded,
    Unavailable,
)
from services.runtime import deadline, tracing
from services.runtime.grpc_errors import from_rpc_error
from services.runtime.grpc_server import GrpcServer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from tests.fakes import echo
from tests.fakes.echo import Echo

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def open_bare(target: str) -> Any:
    """A plain channel; `Any`, since the stubs cannot type calls of bytes."""
    return grpc.insecure_channel(target)


class Running:
    """A server with one echo service, and a bare client."""

    def __init__(self, server: GrpcServer, metrics: Metrics, port: int) -> None:
        self.server = server
        self.metrics = metrics
        self.port = port
        self.channel = open_bare(f"127.0.0.1:{port}")

    def call(self, request: bytes, timeout: float | None = 10.0, **options: Any) -> bytes:
        answer: bytes = self.channel.unary_unary(echo.UNARY)(request, timeout=timeout, **options)
        return answer

    def error(self, request: bytes = b"x", **options: Any) -> FoveaError:
        with pytest.raises(grpc.RpcError) as caught:
            self.call(request, **options)
        return from_rpc_error(caught.value)

    def health(self, service: str) -> Any:
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status

    def text(self) -> str:
        return generate_latest(self.metrics.registry).decode()


@contextmanager
def serving(implementation: Echo, *, opened: bool = True, **settings: Any) -> Iterator[Running]:
    metrics = Metrics()
    server = GrpcServer([implementation.servicer()], ProcessSettings(**settings), metrics)
    port = server.listen("127.0.0.1", 0)
    with server:
        if opened:
            server.set_serving(echo.NAME, serving=True)
        running = Running(server, metrics, port)
        with running.channel:
            yield running


def raising(error: Exception) -> Callable[[Any], NoReturn]:
    def behaviour(_: Any) -> NoReturn:
        raise error

    return behaviour


def test_all_four_kinds_of_call_are_answered() -> None:
    with serving(Echo()) as running:
        channel = running.channel

        assert running.call(b"one") == b"one"
        assert list(channel.unary_stream(echo.WATCH)(b"one")) == [b"one"]
        assert channel.stream_unary(echo.COLLECT)(iter([b"a", b"b"])) == b"ab"
        assert list(channel.stream_stream(echo.EXCHANGE)(iter([b"a", b"b"]))) == [b"a", b"b"]


def test_a_kernel_error_arrives_with_its_field_and_reason() -> None:
    with serving(Echo(raising(InvalidInput("too dark", field="image", reason="TOO_DARK")))) as running:
        error = running.error()

    assert isinstance(error, InvalidInput)
    assert (error.message, error.field, error.reason) == ("too dark", "image", "TOO_DARK")


def test_an_error_in_the_middle_of_a_stream_comes_after_what_was_answered() -> None:
    def watch(request: bytes) -> Iterator[bytes]:
        yield request
        raise Overloaded("enough", retry_after_s=2.0)

    with serving(Echo(watch=watch)) as running:
        answers = running.channel.unary_stream(echo.WATCH)(b"one")
        assert next(answers) == b"one"
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)

    error = from_rpc_error(caught.value)
    assert isinstance(error, Overloaded)
    assert error.retry_after_s == 2


def test_an_unexpected_error_is_internal_logged_with_its_trace_and_leaks_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    with serving(Echo(raising(ValueError("secret path")))) as running:
        error = running.error(metadata=(("traceparent", traceparent),))

        assert running.health(echo.NAME) == SERVING

    assert error.reason == "INTERNAL"
    assert "secret" not in error.message
    assert "4bf92f3577b34da6a3ce929d0e0e4736" in error.message
    assert "secret path" in caplog.text


def test_a_unary_call_without_a_deadline_is_refused() -> None:
    with serving(Echo()) as running:
        error = running.error(timeout=None)

    assert isinstance(error, InvalidInput)
    assert error.reason == "DEADLINE_REQUIRED"


def test_health_and_reflection_need_no_deadline() -> None:
    with serving(Echo()) as running:
        stub: Any = health_pb2_grpc.HealthStub(running.channel)
        assert stub.Check(health_pb2.HealthCheckRequest()).status == NOT_SERVING
        listing: Any = reflection_pb2_grpc.ServerReflectionStub(running.channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = listing.ServerReflectionInfo(iter([asked]))

    assert echo.NAME in [service.name for service in answer.list_services_response.service]


def test_a_method_sees_the_time_its_caller_gave() -> None:
    seen: list[float | None] = []

    def unary(request: bytes) -> bytes:
        seen.append(deadline.remaining_s())
        return request

    with serving(Echo(unary)) as running:
        running.call(b"x", timeout=7.0)

    assert seen[0] is not None
    assert 5 < seen[0] <= 7.1


def _until_given_up(
    given_up: threading.Event, begun: threading.Event | None = None
) -> Callable[[bytes], bytes]:
    def work(_: bytes) -> bytes:
        if begun is not None:
            begun.set()
        for _step in range(1000):
            try:
                deadline.check()
            except DeadlineExceeded:
                given_up.set()
                raise
            time.sleep(0.01)
        return b"never"

    return work


def test_work_ends_when_the_deadline_has_passed() -> None:
    given_up = threading.Event()
    with serving(Echo(_until_given_up(given_up))) as running:
        error = running.error(timeout=1.0)

        assert isinstance(error, DeadlineExceeded)
        assert given_up.wait(5)


def test_work_ends_when_the_caller_cancels() -> None:
    given_up, begun = threading.Event(), threading.Event()
    with serving(Echo(_until_given_up(given_up, begun))) as running:
        call = running.channel.unary_unary(echo.UNARY).future(b"x", timeout=30)
        assert begun.wait(20)
        call.cancel()

        assert given_up.wait(5)
        assert running.health(echo.NAME) == SERVING


def test_a_method_belongs_to_the_trace_of_its_caller() -> None:
    seen: list[tracing.TraceContext | None] = []

    def unary(request: bytes) -> bytes:
        seen.append(tracing.current())
        return request

    with serving(Echo(unary)) as running:
        metadata = (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),)
        running.call(b"x", metadata=metadata)
        running.call(b"x")

    assert seen[0] is not None
    assert seen[0].trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert seen[1] is not None
    assert seen[1].trace_id != seen[0].trace_id


SAMPLED = (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),)


@contextmanager
def traced(servicer: Echo, ratio: float) -> Iterator[tuple[Any, list[tracing.Span]]]:
    """Serve it; the spans are complete when the block ends."""
    spans: list[tracing.Span] = []
    tracers = {echo.NAME: tracing.Tracer(spans.append, ratio)}
    server = GrpcServer([servicer.servicer()], ProcessSettings(), Metrics(), tracers=tracers)
    port = server.listen("127.0.0.1", 0)
    with server, open_bare(f"127.0.0.1:{port}") as channel:
        server.set_serving(echo.NAME, serving=True)
        yield channel, spans
        server.drain(wait_s=0.0, grace_s=5.0)


def test_a_call_of_a_sampled_trace_gives_a_span_to_whoever_takes_them() -> None:
    with traced(Echo(), ratio=0.0) as (channel, spans):
        channel.unary_unary(echo.UNARY)(b"x", timeout=5, metadata=SAMPLED)
        channel.unary_unary(echo.UNARY)(b"x", timeout=5)

    (span,) = spans
    assert (span.name, span.kind, span.error) == (echo.UNARY.removeprefix("/"), "server", "")
    assert span.context.parent_id == "00f067aa0ba902b7"
    assert span.attributes["rpc.response.status_code"] == "OK"
    assert span.end_ns > span.start_ns


def test_of_new_traces_a_share_is_sampled() -> None:
    with traced(Echo(), ratio=1.0) as (channel, spans):
        for _ in range(3):
            channel.unary_unary(echo.UNARY)(b"x", timeout=5)

    assert len({span.context.trace_id for span in spans}) == 3


@pytest.mark.parametrize(("error", "word"), [(InvalidInput("no"), ""), (Unavailable("no"), "UNAVAILABLE")])
def test_a_span_is_an_error_only_if_the_server_is_at_fault(error: Exception, word: str) -> None:
    def failing(_: bytes) -> bytes:
        raise error

    with traced(Echo(failing), ratio=1.0) as (channel, spans), pytest.raises(grpc.RpcError):
        channel.unary_unary(echo.UNARY)(b"x", timeout=5)

    assert [span.error for span in spans] == [word]


def test_a_malformed_message_is_the_callers_fault_in_calls_and_in_streams() -> None:
    with serving(Echo()) as running:
        error = running.error(b"\xffnonsense")
        with pytest.raises(grpc.RpcError) as caught:
            list(running.channel.stream_stream(echo.EXCHANGE)(iter([b"\xff"])))

    assert error.reason == "MALFORMED_MESSAGE"
    assert from_rpc_error(caught.value).reason == "MALFORMED_MESSAGE"


def test_a_message_over_the_limit_names_the_limit_and_the_server_lives_on() -> None:
    with serving(Echo(), message_bytes=100_000) as running:
        error = running.error(b"x" * 200_000)

        assert isinstance(error, InvalidInput)
        assert error.reason == "MESSAGE_TOO_LARGE"
        assert "100000" in error.message
        assert running.call(b"small") == b"small"


def test_an_answer_over_the_limit_names_the_limit() -> None:
    with serving(Echo(lambda _: b"x" * 200_000), message_bytes=100_000) as running:
        assert "100000" in running.error(b"x").message


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


def test_before_its_checks_pass_a_service_is_not_serving_and_refuses_calls() -> None:
    with serving(Echo(), opened=False) as running:
        error = running.error()

        assert isinstance(error, Unavailable)
        assert error.reason == "STARTING"
        assert running.health(echo.NAME) == NOT_SERVING
        running.server.set_serving(echo.NAME, serving=True)
        assert running.health(echo.NAME) == SERVING
        assert running.call(b"x") == b"x"


def test_an_unknown_method_is_unimplemented() -> None:
    with serving(Echo()) as running, pytest.raises(grpc.RpcError) as caught:
        running.channel.unary_unary(f"/{echo.NAME}/Nothing")(b"", timeout=5)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_calls_are_measured_by_method_and_code() -> None:
    def unary(request: bytes) -> bytes:
        if request == b"bad":
            raise InvalidInput("bad")
        return request

    with serving(Echo(unary)) as running:
        running.call(b"good")
        running.error(b"bad")
        list(running.channel.stream_stream(echo.EXCHANGE)(iter([b"a"])))
        running.server.drain(wait_s=0.0, grace_s=5.0)
        text = running.text()

    call = f'method="Echo",service="{echo.NAME}"'
    assert f'fovea_rpc_requests_total{{code="OK",{call}}} 1.0' in text
    assert f'fovea_rpc_requests_total{{code="INVALID_ARGUMENT",{call}}} 1.0' in text
    assert f'fovea_rpc_duration_seconds_count{{code="OK",{call}}} 1.0' in text
    assert f'fovea_rpc_in_flight{{kind="unary",service="{echo.NAME}"}} 0.0' in text
    assert f'fovea_rpc_requests_total{{code="OK",method="Exchange",service="{echo.NAME}"}} 1.0' in text


def test_the_unix_socket_belongs_to_its_user_alone_and_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "fovea.sock"
    server = GrpcServer([Echo().servicer()], ProcessSettings(), Metrics())
    server.listen_on_socket(path)
    with server:
        server.set_serving(echo.NAME, serving=True)
        with open_bare(f"unix:{path}") as channel:
            assert channel.unary_unary(echo.UNARY)(b"x", timeout=5) == b"x"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert not path.exists()


def test_a_port_in_use_is_refused_and_not_shared() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = GrpcServer([Echo().servicer()], ProcessSettings(), Metrics())
        with pytest.raises(OSError, match="port in use"):
            server.listen("127.0.0.1", taken.getsockname()[1])
    with serving(Echo()) as running:
        second = GrpcServer([Echo().servicer()], ProcessSettings(), Metrics())
        with pytest.raises(OSError, match="port in use"):
            second.listen("127.0.0.1", running.port)


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
    with serving(Echo(_until_given_up(given_up, begun))) as running, ThreadPoolExecutor(1) as pool:
        call = pool.submit(running.error, timeout=30.0)
        assert begun.wait(20)
        threading.Timer(0.3, hurry.set).start()

        assert not running.server.drain(wait_s=0.0, grace_s=30.0, hurry=hurry)
        assert isinstance(call.result(), Unavailable)
        assert given_up.wait(5)
    assert "did not end in time" in caplog.text
