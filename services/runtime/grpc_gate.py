"""Whom the gRPC server lets in: per service its threads and whether it is ready, and whether all drains."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import grpc

from services.kernel.errors import InvalidInput, Overloaded, Unavailable
from services.runtime.call_pool import CallPool, Lane
from services.runtime.metrics import RpcMetrics
from services.runtime.slow_callers import SlowCallers
from services.runtime.tracing import Tracer

_RETRY_AFTER_S: Final = 0.5


@dataclass
class Gate:
    """What the whole server knows and every call asks."""

    lanes: Mapping[str, Lane]
    metrics: RpcMetrics
    slow: SlowCallers
    tracers: Mapping[str, Tracer] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    draining: threading.Event = field(default_factory=threading.Event)
    arrived_s: float = 0.0  # when the last call came, let in or not, on the monotonic clock
    calls: set[object] = field(default_factory=set)
    streams: set[Stream] = field(default_factory=set)
    refusals: CallPool = field(default_factory=lambda: CallPool(4, name="refusal"))

    def enter(self, context: grpc.ServicerContext) -> None:
        """Know of the call until its status has left, which is later than the end of its work."""
        token = object()
        self.calls.add(token)
        if not context.add_callback(partial(self.calls.discard, token)):
            self.calls.discard(token)

    def busy(self) -> int:
        """Return how many calls still work for somebody: all but streams that owe no answer."""
        held = sum(lane.held for lane in self.lanes.values())
        return max(held, len(self.calls)) - sum(stream.idle for stream in tuple(self.streams))

    def raise_if_draining(self) -> None:
        """Raise Unavailable once the process drains."""
        if self.draining.is_set():
            raise draining()


class Stream:
    """The requests of one stream; when the server drains it ends between two of them."""

    def __init__(self, raw: Iterator[bytes], decode: Callable[[bytes], Any], gate: Gate) -> None:
        self._raw = raw
        self._decode = decode
        self._gate = gate
        self._cut = False
        self.read = 0
        self.answered = 0

    @property
    def idle(self) -> bool:
        """Whether every request that was read has its answer."""
        return self.answered >= self.read

    def __enter__(self) -> Stream:  # noqa: PYI034  (beartype cannot check Self)
        self._gate.streams.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.streams.discard(self)

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        if self._gate.draining.is_set():
            self._cut = True
            raise StopIteration
        raw = next(self._raw)
        self.read += 1
        return decoded(self._decode, raw)

    def raise_if_cut(self) -> None:
        """Tell the client that the stream did not end by its own will."""
        if self._cut:
            raise draining()


def decoded(decode: Callable[[bytes], Any], raw: bytes) -> Any:
    """Return the message, or say that it is none."""
    try:
        return decode(raw)
    except Exception as error:
        raise InvalidInput(
            "the message is no valid protobuf of its type", reason="MALFORMED_MESSAGE"
        ) from error


def draining() -> Unavailable:
    """Refuse what would outlive the process."""
    return Unavailable("this process shuts down; call again to reach another", reason="DRAINING")


def starting() -> Unavailable:
    """Refuse calls before the service is ready."""
    return Unavailable("this process is not ready yet; try again", reason="STARTING")


def full() -> Overloaded:
    """Refuse a call that would only wait."""
    return Overloaded("too many calls at once; try again later", retry_after_s=_RETRY_AFTER_S, reason="FULL")
