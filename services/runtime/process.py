"""Some services as one process: doors, loops and checks, up to a drain that loses nothing.

The way in: doors open but refuse calls, background work starts, checks are asked; when a service's checks
pass it is let in and handles events. The way out: not ready any more, calls in flight end (events are still
handled, since a call may wait for one), events in hand are published and committed, background work closes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import TYPE_CHECKING, Final

from services.runtime.admin import AdminServer
from services.runtime.assembly import Assembly, Background
from services.runtime.claim_check import Claims, NoClaims
from services.runtime.event_log.ports import EventLog
from services.runtime.event_loop import EventLoop, LagWatch, Platform, PrometheusEventMetrics
from services.runtime.grpc_server import GrpcServer
from services.runtime.metrics import Metrics
from services.runtime.readiness import Readiness
from services.runtime.settings import ProcessSettings
from services.runtime.topics import TOPICS, TopicTable
from services.runtime.tracing import Tracer

if TYPE_CHECKING:
    from services.runtime.span_export import SpanExport

_LOG = logging.getLogger(__name__)
_LAST_S: Final = 1.0  # what each later step of a drain gets at least
_FLUSH_S: Final = 2.0  # what sending the last spans gets at most

Tracers = Callable[[str], Tracer | None]
"""Gives a service, by its name, who takes its spans."""


@dataclass(frozen=True)
class Doors:
    """Where a started process listens."""

    port: int
    admin_port: int
    socket_path: str = ""


@dataclass(frozen=True)
class Resources:
    """What the services of one process share.

    Args:
        log: Where the subscriptions' events are; without one they are not handled.
        claims: Has the values of events that are too large for the log.
        topics: What the events are.
        metrics: Of the process; what its adapters measure with.
        tracers: Who takes the spans of sampled traces; by default what the settings say, which may be nobody.
    """

    log: EventLog | None = None
    claims: Claims = field(default_factory=NoClaims)
    topics: TopicTable = TOPICS
    metrics: Metrics = field(default_factory=Metrics)
    tracers: Tracers | None = None


class Process:
    """Some services in one process.

    Args:
        assemblies: Served over TCP; without `internal` ones on the Unix socket as well, if there is one.
        settings: Of the process.
        internal: Served on the Unix socket alone.
        resources: What all of them share.
    """

    def __init__(
        self,
        assemblies: Sequence[Assembly],
        settings: ProcessSettings,
        *,
        internal: Sequence[Assembly] = (),
        resources: Resources | None = None,
    ) -> None:
        self._settings = settings
        self._resources = resources or Resources()
        self._assemblies = (*internal, *assemblies)
        self._export = None if self._resources.tracers else _export(settings, self._resources.metrics)
        tracers = self._resources.tracers or (self._export.tracer if self._export else _untraced)
        self._public = _server(assemblies, settings, self._resources, tracers)
        self._internal = _server(internal, settings, self._resources, tracers) if internal else None
        self._readiness = Readiness(self._assemblies, self._changed)
        self._loops = {one.name: _loops(one, self._resources, tracers(one.name)) for one in self._assemblies}
        self._looping: set[str] = set()
        self._lag = _lag_watch(self._resources, self._loops)
        self._admin: AdminServer | None = None

    def start(self) -> Doors:
        """Open the doors and begin to get ready. Raises OSError if a port is in use."""
        port = self._public.listen(self._settings.host, self._settings.port)
        socket_path = self._settings.socket_path
        if socket_path is not None:
            (self._internal or self._public).listen_on_socket(socket_path)
        self._resources.metrics.describe_process(assembly.name for assembly in self._assemblies)
        registry = self._resources.metrics.registry
        admin_port = self._settings.effective_admin_port
        self._admin = AdminServer(self._settings.host, admin_port, registry, self._readiness.unready)
        self._admin.start()
        for server in self._servers():
            server.start()
        for background in self._background():
            background.start()
        if self._lag is not None:
            self._lag.start()
        self._readiness.start()
        return Doors(port, self._admin.port, str(socket_path or ""))

    def wait_until_ready(self, timeout_s: float | None = None) -> bool:
        """Wait until every service's checks have passed, and say whether they have."""
        return self._readiness.wait(timeout_s)

    def drain(self, hurry: threading.Event | None = None) -> bool:
        """End without losing anything, and say whether all ended in time. Setting `hurry` shortens it."""
        hurry = hurry or threading.Event()
        end = time.monotonic() + self._settings.drain_wait_s + self._settings.drain_grace_s
        self._readiness.close()
        clean = self._public.drain(
            wait_s=self._settings.drain_wait_s, grace_s=self._settings.drain_grace_s, hurry=hurry
        )
        clean &= self._stop_loops(_left(end, hurry))
        if self._lag is not None:
            self._lag.close()
        if self._internal is not None:
            clean &= self._internal.drain(wait_s=0.0, grace_s=_left(end, hurry), hurry=hurry)
        for background in reversed(self._background()):
            clean &= _closed(background)
        if self._export is not None and not self._export.close(_LAST_S if hurry.is_set() else _FLUSH_S):
            _LOG.warning("the last spans did not reach the collector in time")
        if self._admin is not None:
            self._admin.close()
        return clean

    def _stop_loops(self, timeout_s: float) -> bool:
        loops = [loop for name in self._looping for loop in self._loops[name]]
        for loop in loops:
            loop.stop()
        end = time.monotonic() + timeout_s
        ended = [loop.join(max(0.0, end - time.monotonic())) for loop in loops]
        if not all(ended):
            _LOG.warning(
                "%d loops did not end in time; their events will be handled again", ended.count(False)
            )
        return all(ended)

    def _changed(self, assembly: Assembly, ready: bool) -> None:  # noqa: FBT001  (the callback's shape)
        """Let calls and events in when a service is ready, and say so to health checks."""
        self._resources.metrics.process.ready.labels(assembly.name).set(ready)
        if ready and assembly.name not in self._looping:
            self._looping.add(assembly.name)
            for loop in self._loops[assembly.name]:
                loop.start()
        for server in self._servers():
            for servicer in assembly.servicers:
                server.set_serving(servicer.name, serving=ready)
            unready = self._readiness.unready().keys() - ({assembly.name} if ready else set())
            server.set_serving("", serving=ready and not unready)

    def _servers(self) -> Sequence[GrpcServer]:
        return [self._public] if self._internal is None else [self._internal, self._public]

    def _background(self) -> Sequence[Background]:
        return [background for assembly in self._assemblies for background in assembly.background]


def _export(settings: ProcessSettings, metrics: Metrics) -> SpanExport | None:
    if not settings.otlp_endpoint:
        return None
    # OpenTelemetry takes 0.15 s of processor time to import: only whoever uses it pays for that.
    from services.runtime.span_export import ExportSettings, SpanExport  # noqa: PLC0415

    given = ExportSettings(settings.otlp_endpoint, settings.trace_ratio, metadata.version("fovea"))
    return SpanExport(given, metrics.traces)


def _untraced(_: str) -> None:
    """Nobody takes spans."""


def _server(
    assemblies: Sequence[Assembly], settings: ProcessSettings, shared: Resources, tracers: Tracers
) -> GrpcServer:
    servicers = [servicer for assembly in assemblies for servicer in assembly.servicers]
    found = {
        servicer.name: tracer
        for assembly in assemblies
        for servicer in assembly.servicers
        if (tracer := tracers(assembly.name)) is not None
    }
    return GrpcServer(servicers, settings, shared.metrics, tracers=found)


def _loops(assembly: Assembly, shared: Resources, tracer: Tracer | None) -> Sequence[EventLoop]:
    if shared.log is None:
        return ()
    version = metadata.version("fovea")
    platform = Platform(
        shared.log, shared.topics, assembly.name, version, claims=shared.claims, tracer=tracer
    )
    events = shared.metrics.events
    measured = [
        replace(one, metrics=PrometheusEventMetrics(events, one.topic, one.group))
        for one in assembly.subscriptions
    ]
    return [EventLoop(subscription, platform) for subscription in measured]


def _lag_watch(shared: Resources, loops: Mapping[str, Sequence[EventLoop]]) -> LagWatch | None:
    watched = [loop.metrics for some in loops.values() for loop in some]
    if shared.log is None or not watched:
        return None
    measured = [one for one in watched if isinstance(one, PrometheusEventMetrics)]
    return LagWatch(shared.log.end_offsets, measured, time.time)


def _left(end: float, hurry: threading.Event) -> float:
    return _LAST_S if hurry.is_set() else max(_LAST_S, end - time.monotonic())


def _closed(background: Background) -> bool:
    """Close it, whatever happens; the rest of the drain goes on."""
    try:
        background.close()
    except Exception:  # noqa: BLE001  (logged)
        _LOG.exception("background work did not close cleanly")
        return False
    return True
