"""Which trace the current work belongs to, as W3C trace context, and a hook for whoever collects spans.

Carrying the ids costs about a microsecond a call and is always on: log lines and recognition records
name them. Spans are only built for a sampled trace, and only when a sink is installed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field

HEADER = "traceparent"

_PATTERN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """One piece of work (`span_id`) of one trace; ids are lower-case hex of 16 and 8 bytes."""

    trace_id: str
    span_id: str
    sampled: bool = False
    parent_id: str = ""

    @property
    def traceparent(self) -> str:
        """The header that hands this trace on."""
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02x}"


@dataclass(frozen=True, slots=True)
class Span:
    """A finished piece of work; times are nanoseconds since the epoch."""

    name: str
    context: TraceContext
    start_ns: int
    end_ns: int
    code: str = "OK"
    attributes: Mapping[str, str] = field(default_factory=dict)


SpanSink = Callable[[Span], None]
"""Takes finished spans of sampled traces. It must neither block nor raise."""


_current: ContextVar[TraceContext | None] = ContextVar("fovea_trace", default=None)


def current() -> TraceContext | None:
    """Return the trace of the current work, or None outside any."""
    return _current.get()


def enter(context: TraceContext) -> Token[TraceContext | None]:
    """Make `context` the current one for the rest of this context."""
    return _current.set(context)


def restore(token: Token[TraceContext | None]) -> None:
    """Undo one `enter`."""
    _current.reset(token)


def begin(traceparent: str | None) -> TraceContext:
    """Return a new span: of the trace that the header names, or of a new unsampled trace.

    A malformed header starts a new trace, as the W3C recommendation asks.
    """
    parent = parse(traceparent) if traceparent else None
    if parent is None:
        return TraceContext(secrets.token_hex(16), secrets.token_hex(8))
    return TraceContext(parent.trace_id, secrets.token_hex(8), parent.sampled, parent.span_id)


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
