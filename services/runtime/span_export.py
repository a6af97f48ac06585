"""Sends spans to an OpenTelemetry collector over OTLP, through OpenTelemetry's own SDK.

Imported only where `FOVEA_OTLP_ENDPOINT` is set: the SDK takes 0.15 s of processor time to import. Nothing
here blocks or fails the work that spans tell about: what the collector does not take in time is dropped and
counted, and the log says once that it is so, and once that it is over.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from services.runtime import span_names
from services.runtime.metrics import TraceMetrics
from services.runtime.tracing import Span, TraceContext, Tracer

_LOG = logging.getLogger(__name__)
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_OK, _FAILED = Status(StatusCode.UNSET), Status(StatusCode.ERROR)
_LAST_LOOK_S: Final = 0.5  # for the sending thread to see that there is nowhere to send to any more


@dataclass(frozen=True)
class ExportSettings:
    """Where spans go, and how much may wait for that.

    Args:
        endpoint: Of the collector's gRPC door, such as `http://127.0.0.1:4317`; `https` for TLS.
        ratio: Share of the traces beginning here that are sampled.
        version: Of this release.
        most: Spans that may wait, about a kilobyte each; further ones are dropped.
        batch: Spans sent together.
        delay_s: The longest that a span waits for company.
        timeout_s: The longest that the collector may take, retries included.
    """

    endpoint: str
    ratio: float
    version: str
    most: int = 8192
    batch: int = 512
    delay_s: float = 1.0
    timeout_s: float = 5.0


class SpanExport:
    """Gives each service of a process its tracer, and sends what they take."""

    def __init__(self, settings: ExportSettings, metrics: TraceMetrics) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would tell of every batch
        self._settings = settings
        self._scope = InstrumentationScope("fovea", settings.version)
        self._instance = str(uuid.uuid4())
        self._exporter = _Counting(settings, metrics)
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=settings.most,
            schedule_delay_millis=settings.delay_s * 1000,
            max_export_batch_size=settings.batch,
        )

    def tracer(self, service: str) -> Tracer:
        """Return who takes the spans of one service."""
        about = {
            span_names.SERVICE: service,
            span_names.NAMESPACE: "fovea",
            span_names.VERSION: self._settings.version,
            span_names.INSTANCE: self._instance,
        }
        resource = Resource.create(about)

        def take(span: Span) -> None:
            if self._exporter.admit():
                self._processor.on_end(_readable(span, resource, self._scope))

        return Tracer(take, self._settings.ratio)

    def close(self, timeout_s: float) -> bool:
        """Send what waits, within `timeout_s`, and say whether that worked."""
        closing = threading.Thread(target=self._processor.shutdown, name="span-export-close", daemon=True)
        closing.start()
        closing.join(timeout_s)
        in_time = not closing.is_alive()
        self._exporter.abandon()
        closing.join(_LAST_LOOK_S)
        return in_time


class _Counting(SpanExporter):
    """Sends batches, counts what becomes of them, and knows how many spans wait."""

    def __init__(self, settings: ExportSettings, metrics: TraceMetrics) -> None:
        self._inner = OTLPSpanExporter(endpoint=settings.endpoint, timeout=settings.timeout_s)
        self._settings = settings
        self._exported = metrics.spans.labels("exported")
        self._failed = metrics.spans.labels("failed")
        self._dropped = metrics.spans.labels("dropped")
        self._waiting = 0
        self._counting = threading.Lock()
        self._abandoned = False
        self._away = False

    def admit(self) -> bool:
        """Return whether another span may wait; one that may not is counted as dropped."""
        with self._counting:
            admitted = self._waiting < self._settings.most and not self._abandoned
            self._waiting += admitted
        if not admitted:
            self._dropped.inc()
        return admitted

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch. Called on the processor's thread alone."""
        result = SpanExportResult.FAILURE
        try:
            if not self._abandoned:
                result = self._inner.export(spans)
        finally:
            with self._counting:
                self._waiting -= len(spans)
            self._count(len(spans), sent=result is SpanExportResult.SUCCESS)
        return result

    def abandon(self) -> None:
        """Break off what is being sent, and send nothing more."""
        self._abandoned = True
        self._inner.shutdown()

    def shutdown(self) -> None:
        """Do nothing: `abandon` closes the connection when the last batch has left or the time is up."""

    def _count(self, spans: int, *, sent: bool) -> None:
        (self._exported if sent else self._failed).inc(spans)
        if sent == self._away and not self._abandoned:
            self._away = not sent
            if sent:
                _LOG.info("spans reach %s again", self._settings.endpoint)
            else:
                _LOG.warning(
                    "spans do not reach %s; they are dropped, and counted in fovea_trace_spans_total",
                    self._settings.endpoint,
                )


_KINDS: Final = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


def _readable(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    context, parent = span.context, span.context.parent
    return ReadableSpan(
        name=span.name,
        context=_context(context, remote=False),
        parent=None if parent is None else _context(parent, remote=span.kind in {"server", "consumer"}),
        resource=resource,
        attributes=span.attributes,
        links=[Link(_context(link, remote=span.kind == "consumer")) for link in span.links],
        kind=_KINDS[span.kind],
        status=_FAILED if span.error else _OK,
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=scope,
    )


def _context(context: TraceContext, *, remote: bool) -> Any:
    """Return a SpanContext; the type is left out because beartype cannot resolve that class's own."""
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), remote, _SAMPLED)
