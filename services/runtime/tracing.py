"""Which trace the current work belongs to, as W3C trace context, and the spans that tell about it.

Carrying the ids costs about a microsecond a call and is always on: log lines and recognition records
name them. Spans are only built for a sampled trace, and only where somebody takes them (a `Tracer`). The
current context knows who that is, so whatever is done within a call or an event is recorded by `step`
without being told where spans go.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal

HEADER = "traceparent"
ERROR_TYPE: Final = "error.type"

_PATTERN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED = 1
_CHOICE_BITS: Final = 56  # of a trace id, from the right: the part that is random by W3C's word

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Tracer:
    """Takes the spans of one service.

    Args:
        take: Called with each finished span of a sampled trace. It must neither block nor raise.
        ratio: Share of the traces beginning here that are sampled. Others are sampled as their header says.
    """

    take: Callable[[Span], None]
    ratio: float = 1.0

    def chooses(self, trace_id: str) -> bool:
        """Return whether a new trace is sampled; of one trace all services think the same."""
        return int(trace_id, 16) % (1 << _CHOICE_BITS) < self.ratio * (1 << _CHOICE_BITS)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """One piece of work (`span_id`) of one trace; ids are lower-case hex of 16 and 8 bytes."""

    trace_id: str
    span_id: str
    sampled: bool = False
    parent_id: str = ""
    tracer: Tracer | None = field(default=None, compare=False, repr=False)

    @property
    def traceparent(self) -> str:
        """The header that hands this trace on."""
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02x}"

    @property
    def parent(self) -> TraceContext | None:
        """The work that this is part of, or that led to it."""
        return TraceContext(self.trace_id, self.parent_id, self.sampled) if self.parent_id else None

    @property
    def recording(self) -> bool:
        """Whether a span is to be made of this work."""
        return self.sampled and self.tracer is not None

    def child(self) -> TraceContext:
        """Return a new piece of work within this one."""
        return TraceContext(self.trace_id, _span_id(), self.sampled, self.span_id, self.tracer)


@dataclass(frozen=True, slots=True)
class Span:
    """A finished piece of work; times are nanoseconds since the epoch.

    Args:
        name: What was done; few values.
        context: Whose piece it is.
        start_ns: When it began.
        end_ns: When it ended.
        kind: Which side of a call or message it is.
        error: What went wrong, as a word of few values; empty if nothing did.
        attributes: By the names of OpenTelemetry's conventions: `services.runtime.span_names`.
        links: Other work that led to it.
    """

    name: str
    context: TraceContext
    start_ns: int
    end_ns: int
    kind: Kind = "internal"
    error: str = ""
    attributes: Attributes = field(default_factory=dict)
    links: tuple[TraceContext, ...] = ()


class OpenSpan:
    """Work that is under way and will be recorded when it ends; `context` is handed on."""

    __slots__ = ("_attributes", "_ended", "_kind", "_links", "_name", "_start_ns", "context")

    def __init__(
        self,
        name: str,
        context: TraceContext,
        kind: Kind,
        attributes: Attributes,
        links: tuple[TraceContext, ...] = (),
    ) -> None:
        self.context = context
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._links = links
        self._ended = False
        self._start_ns = time.time_ns()

    def end(self, error: str = "", found: Attributes | None = None) -> None:
        """Record it, the first time that this is called; `found` are attributes that only the end knows."""
        tracer = self.context.tracer
        if self._ended or tracer is None or not self.context.sampled:
            return
        self._ended = True
        attributes = {**self._attributes, **(found or {})}
        if error:
            attributes[ERROR_TYPE] = error
        tracer.take(
            Span(
                name=self._name,
                context=self.context,
                start_ns=self._start_ns,
                end_ns=time.time_ns(),
                kind=self._kind,
                error=error,
                attributes=attributes,
                links=self._links,
            )
        )


class _Step:
    """A block of work that is the current one until it ends."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: OpenSpan) -> None:
        self._span = span

    def __enter__(self) -> None:
        self._token = _current.set(self._span.context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._token)
        self._span.end(kind.__name__ if kind else "")


_current: ContextVar[TraceContext | None] = ContextVar("fovea_trace", default=None)
_nothing: Final[AbstractContextManager[None]] = nullcontext()


def current() -> TraceContext | None:
    """Return the trace of the current work, or None outside any."""
    return _current.get()


def enter(context: TraceContext) -> Token[TraceContext | None]:
    """Make `context` the current one for the rest of this context."""
    return _current.set(context)


def restore(token: Token[TraceContext | None]) -> None:
    """Undo one `enter`."""
    _current.reset(token)


def begin(traceparent: str | None, tracer: Tracer | None = None) -> TraceContext:
    """Return a new span: of the trace that the header names, or of a new trace.

    A malformed header starts a new trace, as the W3C recommendation asks.
    """
    parent = parse(traceparent) if traceparent else None
    if parent is None:
        trace_id = _trace_id()
        sampled = tracer is not None and tracer.chooses(trace_id)
        return TraceContext(trace_id, _span_id(), sampled, tracer=tracer)
    return TraceContext(parent.trace_id, _span_id(), parent.sampled, parent.span_id, tracer)


def open_span(name: str, kind: Kind, attributes: Attributes) -> OpenSpan | None:
    """Begin work within the current one; None if nobody records that."""
    context = _current.get()
    if context is None or not context.recording:
        return None
    return OpenSpan(name, context.child(), kind, attributes)


def step(name: str, kind: Kind, attributes: Attributes) -> AbstractContextManager[None]:
    """Return a block for work within the current one, recorded if the current one is."""
    span = open_span(name, kind, attributes)
    return _nothing if span is None else _Step(span)


def item(name: str) -> AbstractContextManager[None]:
    """Return a block for the work on one item of a stream.

    A caller who brought a trace finds it there. Else each item has a trace of its own, sampled by itself and
    linked to the stream, since a trace of ten thousand images tells nobody anything.
    """
    stream = _current.get()
    if stream is None:
        return _nothing
    if stream.parent_id:
        return step(name, "internal", {})
    return _Step(OpenSpan(name, begin(None, stream.tracer), "internal", {}, (stream,)))


def parse(traceparent: str) -> TraceContext | None:
    """Return what the header says, or None if it is malformed."""
    found = _PATTERN.fullmatch(traceparent)
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    wrong_version = version == "ff" or (version == "00" and rest is not None)
    if wrong_version or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def _trace_id() -> str:
    return f"{random.getrandbits(128):032x}"


def _span_id() -> str:
    return f"{random.getrandbits(64):016x}"
