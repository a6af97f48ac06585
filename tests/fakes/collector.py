"""An OpenTelemetry collector that keeps what it gets: OTLP over gRPC, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1 import trace_pb2

_KINDS = {
    trace_pb2.Span.SPAN_KIND_INTERNAL: "internal",
    trace_pb2.Span.SPAN_KIND_SERVER: "server",
    trace_pb2.Span.SPAN_KIND_CLIENT: "client",
    trace_pb2.Span.SPAN_KIND_PRODUCER: "producer",
    trace_pb2.Span.SPAN_KIND_CONSUMER: "consumer",
}


@dataclass(frozen=True)
class Collected:
    """One span as it arrived, with the service that sent it; ids are hex, links are span ids."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    failed: bool
    attributes: Mapping[str, str]
    resource: Mapping[str, str]


class Collector(TraceServiceServicer):
    """Keeps spans, except while `answering` is cleared: then it takes calls and does not answer."""

    def __init__(self) -> None:
        self._spans: list[Collected] = []
        self._arrived = threading.Condition()
        self.endpoint = ""
        self.answering = threading.Event()
        self.answering.set()

    def Export(  # noqa: N802  (the name is the proto's)
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        while not self.answering.wait(0.05):
            if not context.is_active():
                return ExportTraceServiceResponse()  # nobody waits for it any more
        found = list(_collected(request))
        with self._arrived:
            self._spans += found
            self._arrived.notify_all()
        return ExportTraceServiceResponse()

    @property
    def spans(self) -> tuple[Collected, ...]:
        with self._arrived:
            return tuple(self._spans)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Serve a collector until the block ends."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(8))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    collector.endpoint = f"http://127.0.0.1:{port}"
    server.start()
    try:
        yield collector
    finally:
        collector.answering.set()
        server.stop(None).wait()


def _collected(request: ExportTraceServiceRequest) -> Iterator[Collected]:
    for group in request.resource_spans:
        resource = _texts(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Collected(
                    service=resource["service.name"],
                    name=span.name,
                    kind=_KINDS[span.kind],
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    links=tuple(link.span_id.hex() for link in span.links),
                    failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                    attributes=_texts(span.attributes),
                    resource=resource,
                )


def _texts(attributes: object) -> dict[str, str]:
    found = {}
    for pair in attributes:  # type: ignore[attr-defined]  # a repeated field
        value = getattr(pair.value, pair.value.WhichOneof("value"))
        found[pair.key] = str(value)
    return found
