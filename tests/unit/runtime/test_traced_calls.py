"""Spans of calls between services, on the side of the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.kernel.errors import NotFound
from services.runtime import tracing
from services.runtime.grpc_channel import Channel, open_channel
from services.runtime.grpc_server import GrpcServer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from tests.fakes import echo
from tests.fakes.echo import Echo

NAME = echo.UNARY.removeprefix("/")


@contextmanager
def traced(implementation: Echo, taken: list[tracing.Span], *, ratio: float = 1.0) -> Iterator[Channel]:
    """Call as one does who works within a trace; spans are complete when the block ends."""
    tracer = tracing.Tracer(taken.append, ratio)
    server = GrpcServer(
        [implementation.servicer()], ProcessSettings(), Metrics(), tracers={echo.NAME: tracer}
    )
    port = server.listen("127.0.0.1", 0)
    token = tracing.enter(tracing.begin(None, tracer))
    with server, open_channel(f"127.0.0.1:{port}") as channel:
        server.set_serving(echo.NAME, serving=True)
        yield channel
        server.drain(wait_s=0.0, grace_s=5.0)
    tracing.restore(token)


def by_kind(spans: list[tracing.Span]) -> dict[str, tracing.Span]:
    return {span.kind: span for span in spans}


def test_the_span_of_a_call_stands_between_the_callers_work_and_the_servers() -> None:
    spans: list[tracing.Span] = []
    with traced(Echo(), spans) as channel:
        work = tracing.current()
        channel.unary_unary(echo.UNARY)(b"x", timeout=5.0)

    found = by_kind(spans)
    assert work is not None
    assert found["client"].context.parent_id == work.span_id
    assert found["server"].context.parent_id == found["client"].context.span_id
    assert found["client"].name == found["server"].name == NAME
    assert found["client"].attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": NAME,
        "rpc.response.status_code": "OK",
    }


def test_a_failed_call_is_an_error_of_the_caller_whatever_the_code() -> None:
    def missing(_: bytes) -> bytes:
        raise NotFound("no such thing")

    spans: list[tracing.Span] = []
    with traced(Echo(missing), spans) as channel, pytest.raises(NotFound):
        channel.unary_unary(echo.UNARY)(b"x", timeout=5.0)

    assert {kind: span.error for kind, span in by_kind(spans).items()} == {
        "client": "NOT_FOUND",
        "server": "",
    }


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_span_of_a_stream_ends_with_the_stream(*, cancelled: bool) -> None:
    spans: list[tracing.Span] = []
    with (
        traced(Echo(), spans) as channel,
        channel.stream_stream(echo.EXCHANGE)(iter([b"a", b"b"])) as answers,
    ):
        next(answers)
        assert not by_kind(spans).get("client")
        if not cancelled:
            assert list(answers) == [b"b"]

    assert [span.error for span in spans if span.kind == "client"] == [""]


def test_what_is_not_sampled_costs_no_span_and_hands_its_trace_on() -> None:
    spans: list[tracing.Span] = []
    seen: list[tracing.TraceContext | None] = []

    def look(request: bytes) -> bytes:
        seen.append(tracing.current())
        return request

    with traced(Echo(look), spans, ratio=0.0) as channel:
        work = tracing.current()
        channel.unary_unary(echo.UNARY)(b"x", timeout=5.0)

    assert not spans
    assert work is not None
    assert seen[0] is not None
    assert (seen[0].trace_id, seen[0].parent_id, seen[0].sampled) == (work.trace_id, work.span_id, False)
