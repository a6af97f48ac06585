from __future__ import annotations

import contextvars

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
