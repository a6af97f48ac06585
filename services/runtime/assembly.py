"""What a service consists of, once its adapters are chosen: what a process runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from services.runtime.event_loop import Subscription
from services.runtime.grpc_server import Servicer

Check = Callable[[], object]
"""Raises when the service is not ready, with a message that says why. It answers within a second or so."""


@runtime_checkable
class Background(Protocol):
    """Something with a thread of its own: a follower of a topic, a sweeper."""

    def start(self) -> None:
        """Begin, and return at once."""
        ...

    def close(self) -> None:
        """Finish what is begun, and stop."""
        ...


@dataclass(frozen=True)
class Assembly:
    """One service, ready to be run.

    Args:
        name: The service, such as `encoding`.
        servicers: What it answers over gRPC.
        subscriptions: What it handles of the event log, once it is ready.
        background: What runs beside; started before the checks are asked, closed after all else.
        checks: By name, what must not raise for the service to be ready.
    """

    name: str
    servicers: tuple[Servicer, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    background: tuple[Background, ...] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
