"""Where the event stands that is being handled: for a handler that must know what came before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from services.runtime.event_log.ports import Position

_CURRENT: ContextVar[Position | None] = ContextVar("fovea_position", default=None)


def current() -> Position | None:
    """Return it; None outside of a handler."""
    return _CURRENT.get()


@contextmanager
def at(position: Position) -> Iterator[None]:
    """Handle the event of this place inside the block."""
    token = _CURRENT.set(position)
    try:
        yield
    finally:
        _CURRENT.reset(token)
