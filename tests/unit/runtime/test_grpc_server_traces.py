"""What a server tells of its calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from services.kernel.errors import (
    InvalidInput,
    Unavailable,
)
from services.runtime import tracing
from services.runtime.grpc_server import GrpcServer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from tests.fakes import echo
from tests.fakes.echo import Echo
from tests.unit.runtime.running import open_bare, serving


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
