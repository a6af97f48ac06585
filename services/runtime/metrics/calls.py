"""Metrics of gRPC calls, as the server sees them."""

from __future__ import annotations

from collections.abc import Callable

from grpc import StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics.buckets import BYTES, RPC_S


class RpcMetrics:
    """gRPC calls, as the server sees them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        call = ("service", "method")
        self.requests = Counter(
            "fovea_rpc_requests", "Calls answered, by code.", (*call, "code"), registry=registry
        )
        self.duration = Histogram(
            "fovea_rpc_duration_seconds",
            "From the start of a call's work to its answer, or of a stream to its end.",
            (*call, "code"),
            buckets=RPC_S,
            registry=registry,
        )
        self.message_bytes = Histogram(
            "fovea_rpc_message_bytes",
            "Size of unary messages; direction is in or out.",
            (*call, "direction"),
            buckets=BYTES,
            registry=registry,
        )
        self.deadline_remaining = Histogram(
            "fovea_rpc_deadline_remaining_seconds",
            "Time that unary callers gave, when the work starts.",
            call,
            buckets=RPC_S,
            registry=registry,
        )
        self.in_flight = Gauge(
            "fovea_rpc_in_flight",
            "Calls at work or waiting for a worker.",
            ("service", "kind"),
            registry=registry,
        )
        self.shed = Counter(
            "fovea_rpc_shed", "Calls refused at once, by reason.", ("service", "reason"), registry=registry
        )


class MethodMetrics:
    """The metrics of one method, looked up once."""

    def __init__(self, metrics: RpcMetrics, service: str, method: str) -> None:
        self._metrics = metrics
        self._names = (service, method)
        self.taken = metrics.message_bytes.labels(service, method, "in").observe
        self.given = metrics.message_bytes.labels(service, method, "out").observe
        self.deadline_remaining = metrics.deadline_remaining.labels(service, method).observe
        self._ends: dict[StatusCode, tuple[Callable[[], None], Callable[[float], None]]] = {}

    def ended(self, code: StatusCode, seconds: float) -> None:
        """Count one call."""
        count, observe = self._ends.get(code) or self._first(code)
        count()
        observe(seconds)

    def _first(self, code: StatusCode) -> tuple[Callable[[], None], Callable[[float], None]]:
        labels = (*self._names, code.name)
        ends = (self._metrics.requests.labels(*labels).inc, self._metrics.duration.labels(*labels).observe)
        self._ends[code] = ends
        return ends
