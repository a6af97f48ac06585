from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.kernel.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    Unavailable,
)
from services.runtime import deadline
from services.runtime.grpc_errors import from_rpc_error
from services.runtime.grpc_server import GrpcServer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from tests.fakes import echo
from tests.fakes.echo import Echo
from tests.unit.runtime.running import NOT_SERVING, SERVING, open_bare, raising, serving, until_given_up


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


def test_work_ends_when_the_deadline_has_passed() -> None:
    given_up = threading.Event()
    with serving(Echo(until_given_up(given_up))) as running:
        error = running.error(timeout=1.0)

        assert isinstance(error, DeadlineExceeded)
        assert given_up.wait(5)


def test_work_ends_when_the_caller_cancels() -> None:
    given_up, begun = threading.Event(), threading.Event()
    with serving(Echo(until_given_up(given_up, begun))) as running:
        call = running.channel.unary_unary(echo.UNARY).future(b"x", timeout=30)
        assert begun.wait(20)
        call.cancel()

        assert given_up.wait(5)
        assert running.health(echo.NAME) == SERVING


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
