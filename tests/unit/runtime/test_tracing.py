from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import tracing

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_call_continues_the_trace_of_its_caller_with_a_span_of_its_own() -> None:
    context = tracing.begin(HEADER)

    assert context.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert context.parent_id == "00f067aa0ba902b7"
    assert context.span_id != context.parent_id
    assert context.sampled


def test_without_a_header_an_unsampled_trace_begins() -> None:
    context = tracing.begin(None)

    assert tracing.parse(context.traceparent) is not None
    assert not context.sampled


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        HEADER + "\n",
    ],
)
def test_a_malformed_header_names_no_trace(header: str) -> None:
    assert tracing.parse(header) is None


def test_a_later_version_may_say_more() -> None:
    assert tracing.parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more") is not None


@given(st.text())
def test_no_header_makes_a_call_fail(header: str) -> None:
    assert len(tracing.begin(header).trace_id) == 32


def test_the_current_trace_is_that_of_the_context() -> None:
    context = tracing.begin(HEADER)

    def call() -> tracing.TraceContext | None:
        token = tracing.enter(context)
        inside = tracing.current()
        tracing.restore(token)
        return inside

    assert contextvars.copy_context().run(call) == context
    assert tracing.current() is None


@contextmanager
def working(context: tracing.TraceContext) -> Iterator[None]:
    token = tracing.enter(context)
    try:
        yield
    finally:
        tracing.restore(token)


def test_a_share_of_new_traces_is_sampled_and_every_service_chooses_the_same() -> None:
    tracers = [tracing.Tracer(lambda _: None, 0.25) for _ in range(2)]
    traces = [tracing.begin(None, tracers[0]) for _ in range(4000)]

    assert 800 < sum(trace.sampled for trace in traces) < 1200
    assert all(tracers[1].chooses(trace.trace_id) == trace.sampled for trace in traces)


@pytest.mark.parametrize(("flags", "ratio"), [("00", 1.0), ("01", 0.0)])
def test_what_the_header_says_about_sampling_wins(flags: str, ratio: float) -> None:
    context = tracing.begin(HEADER[:-2] + flags, tracing.Tracer(lambda _: None, ratio))

    assert context.sampled == (flags == "01")
    assert context.child().sampled == context.sampled


def test_steps_stand_within_each_other() -> None:
    spans: list[tracing.Span] = []
    call = tracing.begin(None, tracing.Tracer(spans.append))
    with working(call):
        with tracing.step("outer", "internal", {"a": "b"}), tracing.step("inner", "client", {}):
            pass
        assert tracing.current() == call

    inner, outer = spans
    assert inner.context.parent_id == outer.context.span_id
    assert outer.context.parent_id == call.span_id
    assert (outer.name, inner.kind, outer.attributes) == ("outer", "client", {"a": "b"})
    assert outer.start_ns <= inner.start_ns <= inner.end_ns <= outer.end_ns


def test_a_step_that_fails_says_what_failed_and_lets_it_through() -> None:
    spans: list[tracing.Span] = []
    with (
        working(tracing.begin(None, tracing.Tracer(spans.append))),
        pytest.raises(KeyError),
        tracing.step("look", "internal", {}),
    ):
        raise KeyError

    assert [(span.error, span.attributes) for span in spans] == [("KeyError", {"error.type": "KeyError"})]


def test_outside_sampled_work_a_step_is_nothing() -> None:
    spans: list[tracing.Span] = []
    for context in (tracing.begin(None), tracing.begin(None, tracing.Tracer(spans.append, 0.0))):
        with working(context), tracing.step("one", "internal", {}):
            assert tracing.current() is context
    with tracing.step("two", "internal", {}):
        assert tracing.current() is None

    assert not spans


def test_a_span_is_recorded_once() -> None:
    spans: list[tracing.Span] = []
    span = tracing.OpenSpan("one", tracing.begin(None, tracing.Tracer(spans.append)), "internal", {})
    span.end()
    span.end("too late")

    assert [span.error for span in spans] == [""]


def test_an_item_of_a_stream_that_began_here_has_a_trace_of_its_own_linked_to_the_stream() -> None:
    spans: list[tracing.Span] = []
    stream = tracing.begin(None, tracing.Tracer(spans.append))
    seen: list[str] = []
    with working(stream):
        for _ in range(2):
            with tracing.item("item"):
                current = tracing.current()
                assert current is not None
                seen.append(current.trace_id)

    assert len({stream.trace_id, *seen}) == 3
    assert [span.context.trace_id for span in spans] == seen
    assert all(span.links == (stream,) for span in spans)


def test_items_are_sampled_one_by_one() -> None:
    spans: list[tracing.Span] = []
    with working(tracing.begin(None, tracing.Tracer(spans.append, 0.5))):
        for _ in range(400):
            with tracing.item("item"):
                pass

    assert 120 < len(spans) < 280


def test_an_item_of_a_callers_trace_stays_in_it() -> None:
    spans: list[tracing.Span] = []
    stream = tracing.begin(HEADER, tracing.Tracer(spans.append))
    with working(stream), tracing.item("item"):
        pass

    (span,) = spans
    assert (span.context.trace_id, span.context.parent_id) == (stream.trace_id, stream.span_id)


def test_work_outside_any_trace_has_items_without() -> None:
    with tracing.item("item"):
        assert tracing.current() is None
