"""A threaded gRPC server with health, reflection, limits and a drain that fails no call."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime.call_pool import Lane
from services.runtime.grpc_calls import CallInterceptor
from services.runtime.grpc_gate import Gate
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from services.runtime.slow_callers import SlowCallers
from services.runtime.tracing import Tracer

_LOG = logging.getLogger(__name__)
_SPARE_CALLS: Final = 256  # beyond the lanes: health, reflection, and calls being refused
_HEALTH_THREADS: Final = 16
_LOOK_EVERY_S: Final = 0.02
_SETTLE_S: Final = 0.2  # without a call, after which there is taken to be none on its way
_MOST_SETTLE_S: Final = 5.0
_GOAWAY_S: Final = 0.1  # for clients to learn that they should connect elsewhere
_MINUTE_MS: Final = 60_000

_OPTIONS: Final[Mapping[str, int]] = {
    "grpc.so_reuseport": 0,  # or two processes would share a port and nobody would notice
    # Far more than the lanes take, which refuse with a reason: gRPC resets what is too much without one, and
    # counts calls that have ended until they are cleared away.
    "grpc.max_concurrent_streams": 4_096,
    "grpc.server.max_pending_requests": 3_000,
    "grpc.server.max_pending_requests_hard_limit": 4_000,
    "grpc.max_metadata_size": 16_384,
    "grpc.keepalive_time_ms": _MINUTE_MS,
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.http2.min_ping_interval_without_data_ms": 10_000,
    "grpc.server_handshake_timeout_ms": 10_000,  # until a client has said hello
    "grpc.max_connection_idle_ms": 5 * _MINUTE_MS,
    "grpc.max_connection_age_ms": 10 * _MINUTE_MS,  # so that clients meet new replicas; open calls go on
}


@dataclass(frozen=True)
class Servicer:
    """One service: its full name, the stub's `add_…_to_server`, and what implements it."""

    name: str
    add_to_server: Callable[[Any, grpc.Server], None]
    implementation: Any


class GrpcServer:
    """Serves some services on one address, a Unix socket, or both; every service starts closed.

    Args:
        servicers: The services.
        settings: Sizes and limits.
        metrics: Where calls are counted.
        tracers: By a service's full name, who takes its spans.
    """

    def __init__(
        self,
        servicers: Sequence[Servicer],
        settings: ProcessSettings,
        metrics: Metrics,
        *,
        tracers: Mapping[str, Tracer] | None = None,
    ) -> None:
        lanes = {servicer.name: _lane(servicer.name, settings) for servicer in servicers}
        self._slow = SlowCallers(settings.message_wait_s)
        self._gate = Gate(lanes, metrics.rpc, self._slow, tracers or {})
        self._others = ThreadPoolExecutor(_HEALTH_THREADS, thread_name_prefix="health")
        self._health = health.HealthServicer()
        self._server = grpc.server(
            self._others,
            interceptors=[CallInterceptor(self._gate)],
            options=[*_OPTIONS.items(), *message_limits(settings.message_bytes)],
            maximum_concurrent_rpcs=_most_calls(settings, len(lanes)) + _SPARE_CALLS,
        )
        self._socket: Path | None = None
        self._add(servicers)
        _watch_lanes(lanes, metrics)

    def _add(self, servicers: Sequence[Servicer]) -> None:
        for servicer in servicers:
            servicer.add_to_server(servicer.implementation, self._server)
            self._health.set(servicer.name, health_pb2.HealthCheckResponse.NOT_SERVING)
        self._health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*self._gate.lanes, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    def listen(self, host: str, port: int) -> int:
        """Bind a TCP address and return the port, which the system chooses for 0. Raises OSError."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: is the port in use? ({error})") from None

    def listen_on_socket(self, path: Path) -> None:
        """Bind a Unix socket that only this user may open. Raises OSError."""
        try:
            self._server.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on the Unix socket {path} ({error})") from None
        path.chmod(0o600)
        self._socket = path

    def start(self) -> None:
        """Answer: health and reflection at once, each service when it is opened."""
        self._slow.start()
        self._server.start()

    def set_serving(self, service: str, *, serving: bool) -> None:
        """Tell health checks about one service, or all with the name ""; serving lets calls in."""
        if self._gate.draining.is_set() or (service and service not in self._gate.lanes):
            return
        if serving and service:
            self._gate.open.add(service)
        status = health_pb2.HealthCheckResponse
        self._health.set(service, status.SERVING if serving else status.NOT_SERVING)

    def drain(self, *, wait_s: float, grace_s: float, hurry: threading.Event | None = None) -> bool:
        """End without failing a call that was let in, and say whether that worked within `grace_s`.

        Health turns NOT_SERVING; calls are still accepted for `wait_s`, until load balancers have noticed;
        then they are refused with UNAVAILABLE and the reason DRAINING, and those in flight may end. A stream
        ends after the requests that it has read, likewise. Setting `hurry` cancels what is left.
        """
        hurry = hurry or threading.Event()
        self._health.enter_graceful_shutdown()
        hurry.wait(wait_s)
        self._gate.draining.set()
        self._settle(time.monotonic() + min(grace_s, _MOST_SETTLE_S), hurry)
        stopped = self._server.stop(grace_s)
        clean = self._finish(stopped, time.monotonic() + grace_s, hurry)
        self._close()
        return clean

    def _settle(self, end: float, hurry: threading.Event) -> None:
        """Wait until all that has arrived is looked at: what gRPC's stop meets is cancelled."""
        quiet_since = time.monotonic()
        while not hurry.wait(max(0.0, min(quiet_since + _SETTLE_S, end) - time.monotonic())):
            if self._gate.arrived_s <= quiet_since or time.monotonic() >= end:
                return
            quiet_since = self._gate.arrived_s

    def _finish(self, stopped: threading.Event, end: float, hurry: threading.Event) -> bool:
        """Wait until nobody is worked for any more, then cancel the streams that only listen."""
        goaway = time.monotonic() + _GOAWAY_S
        while not stopped.wait(_LOOK_EVERY_S):
            now = time.monotonic()
            if now >= end or hurry.is_set():
                break
            if now >= goaway and not self._gate.busy():
                break
        left = self._gate.busy()
        if left:
            _LOG.warning("cancelling %d calls that did not end in time", left)
        self._server.stop(None)
        return left == 0

    def _close(self) -> None:
        for lane in self._gate.lanes.values():
            lane.close()
        self._gate.refusals.shutdown(wait=False)
        self._slow.close()
        self._others.shutdown(wait=False)
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)

    def __enter__(self) -> GrpcServer:  # noqa: PYI034  (beartype cannot check Self)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drain(wait_s=0.0, grace_s=0.0)


def message_limits(message_bytes: int) -> Sequence[tuple[str, int]]:
    """Return gRPC's options for the size of a message, the same on both ends."""
    return (
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", message_bytes),
    )


def _lane(name: str, settings: ProcessSettings) -> Lane:
    return Lane.of(
        name,
        workers=settings.worker_threads,
        queued=settings.queued_calls,
        streams=settings.stream_threads,
    )


def _most_calls(settings: ProcessSettings, services: int) -> int:
    return services * (settings.worker_threads + settings.queued_calls + settings.stream_threads)


def _watch_lanes(lanes: Mapping[str, Lane], metrics: Metrics) -> None:
    for name, lane in lanes.items():
        for kind, pool in (("unary", lane.unary), ("stream", lane.streams)):
            metrics.rpc.in_flight.labels(name, kind).set_function(partial(getattr, pool, "held"))
