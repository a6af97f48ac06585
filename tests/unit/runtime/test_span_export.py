from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from opentelemetry.semconv._incubating.attributes import messaging_attributes, rpc_attributes
from opentelemetry.semconv.attributes import error_attributes, service_attributes
from prometheus_client import CollectorRegistry

from services.runtime import span_names, tracing
from services.runtime.metrics import TraceMetrics
from services.runtime.span_export import ExportSettings, SpanExport
from tests.e2e.waiting import eventually
from tests.fakes.collector import Collected, collecting

DEAD = "http://127.0.0.1:9"


def settings(endpoint: str, *, most: int = 8192, batch: int = 512, timeout_s: float = 5.0) -> ExportSettings:
    return ExportSettings(endpoint, 1.0, "1.2.3", most=most, batch=batch, timeout_s=timeout_s, delay_s=0.02)


def outcomes(registry: CollectorRegistry) -> dict[str, int]:
    return {
        name: int(registry.get_sample_value("fovea_trace_spans_total", {"outcome": name}) or 0)
        for name in ("exported", "failed", "dropped")
    }


def work(tracer: tracing.Tracer, count: int = 1) -> None:
    for _ in range(count):
        tracing.OpenSpan("work", tracing.begin(None, tracer), "internal", {}).end()


def failed(registry: CollectorRegistry, count: int) -> bool | None:
    return outcomes(registry)["failed"] >= count or None


@contextmanager
def hanging() -> Iterator[str]:
    """A port that accepts connections and never says anything."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_span_arrives_with_its_service_its_parent_its_links_and_its_error() -> None:
    registry = CollectorRegistry()
    header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with collecting() as collector:
        export = SpanExport(settings(collector.endpoint), TraceMetrics(registry))
        context = tracing.begin(header, export.tracer("encoding"))
        assert context.parent is not None
        span = tracing.OpenSpan("process t", context, "consumer", {"a": "b", "c": 1}, (context.parent,))
        span.end("NotFound")
        span.end()
        (found,) = eventually(lambda: collector.spans or None)
        assert export.close(5.0)

    resource = dict(found.resource)
    assert {resource.pop(name) for name in ("service.instance.id", "telemetry.sdk.version")}
    assert found == Collected(
        service="encoding",
        name="process t",
        kind="consumer",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        span_id=context.span_id,
        parent_id="00f067aa0ba902b7",
        links=("00f067aa0ba902b7",),
        failed=True,
        attributes={"a": "b", "c": "1", "error.type": "NotFound"},
        resource=found.resource,
    )
    assert (resource["service.namespace"], resource["service.version"]) == ("fovea", "1.2.3")
    assert outcomes(registry) == {"exported": 1, "failed": 0, "dropped": 0}


def test_each_service_of_a_process_has_its_own_name() -> None:
    with collecting() as collector:
        export = SpanExport(settings(collector.endpoint), TraceMetrics(CollectorRegistry()))
        for name in ("encoding", "ranking"):
            work(export.tracer(name))
        export.close(5.0)

    assert {span.service for span in collector.spans} == {"encoding", "ranking"}


def test_what_waits_leaves_at_the_end() -> None:
    registry = CollectorRegistry()
    with collecting() as collector:
        given = ExportSettings(collector.endpoint, 1.0, "1", delay_s=60.0)
        export = SpanExport(given, TraceMetrics(registry))
        work(export.tracer("encoding"), 2000)
        assert export.close(5.0)
        assert len(collector.spans) == 2000

    assert outcomes(registry) == {"exported": 2000, "failed": 0, "dropped": 0}


def test_without_a_collector_spans_are_dropped_and_counted_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = CollectorRegistry()
    export = SpanExport(settings(DEAD, timeout_s=0.1, batch=10), TraceMetrics(registry))
    tracer = export.tracer("encoding")
    with caplog.at_level(logging.INFO):
        for number in range(3):
            work(tracer, 10)
            eventually(partial(failed, registry, 10 * (number + 1)))
        export.close(5.0)

    assert outcomes(registry) == {"exported": 0, "failed": 30, "dropped": 0}
    assert [record.message.partition(";")[0] for record in caplog.records] == [f"spans do not reach {DEAD}"]


def test_a_collector_that_never_answers_holds_up_nobody_and_only_so_many_spans_wait() -> None:
    registry = CollectorRegistry()
    with hanging() as endpoint:
        export = SpanExport(settings(endpoint, most=100, batch=50, timeout_s=60.0), TraceMetrics(registry))
        tracer = export.tracer("encoding")
        began = time.monotonic()
        work(tracer, 1000)
        took_s = time.monotonic() - began
        assert not export.close(0.2)
        closed_s = time.monotonic() - began - took_s

    assert took_s < 5
    assert closed_s < 5
    found = outcomes(registry)
    assert found["dropped"] >= 900
    assert found["exported"] == 0


def test_a_collector_that_comes_back_gets_the_next_spans(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    with collecting() as collector, caplog.at_level(logging.INFO):
        collector.answering.clear()
        export = SpanExport(settings(collector.endpoint, timeout_s=0.2), TraceMetrics(registry))
        tracer = export.tracer("encoding")
        work(tracer)
        eventually(lambda: outcomes(registry)["failed"] or None)
        collector.answering.set()
        work(tracer)
        eventually(lambda: outcomes(registry)["exported"] or None)
        export.close(5.0)

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_our_names_are_those_of_the_conventions() -> None:
    known = {
        value
        for module in (rpc_attributes, messaging_attributes, error_attributes, service_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }

    assert set(span_names.CONVENTIONAL) <= known


@pytest.mark.parametrize("on", [False, True])
def test_opentelemetry_is_imported_only_where_it_is_used(*, on: bool) -> None:
    program = (
        "import sys\n"
        "from services.runtime.process import Process\n"
        "from services.runtime.settings import ProcessSettings\n"
        f"Process([], ProcessSettings.load(otlp_endpoint={DEAD if on else ''!r}))\n"
        "print(any(name.startswith('opentelemetry') for name in sys.modules))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == str(on)
