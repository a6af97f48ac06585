"""The time that the current call has left, and whether anybody still waits for its answer.

The gRPC server opens a limit for each call, client channels pass on what is left of it, and long work
asks `check()` between its steps. Outside a call there is no limit. A limit follows the context, so work
handed to another thread keeps it with `contextvars.copy_context().run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from dataclasses import dataclass

from services.kernel.errors import DeadlineExceeded


def _never() -> None:
    """Nothing interrupts the call."""


@dataclass(frozen=True, slots=True)
class Limit:
    """When a call ends (on the monotonic clock), and what raises if it must end before."""

    end: float | None = None
    cancelled: Callable[[], None] = _never
    draining: Callable[[], None] = _never


_NO_LIMIT = Limit()
_current: ContextVar[Limit] = ContextVar("fovea_limit", default=_NO_LIMIT)


def remaining_s() -> float | None:
    """Return the seconds left, at least 0, or None when there is no limit."""
    end = _current.get().end
    return None if end is None else max(0.0, end - time.monotonic())


def check(*, endless: bool = False) -> None:
    """Do nothing while the answer is still wanted; call it between the steps of long work.

    Args:
        endless: For a call that never ends by itself, such as a watch: end it when the process drains.

    Raises:
        DeadlineExceeded: The time is used up, or the caller cancelled.
        Unavailable: The process drains and the call is endless.
    """
    limit = _current.get()
    if limit.end is not None and time.monotonic() >= limit.end:
        raise DeadlineExceeded("the time that the caller gave is used up")
    limit.cancelled()
    if endless:
        limit.draining()


def enter(limit: Limit) -> Token[Limit]:
    """Open a limit for the rest of this context: for servers, which make a fresh context for each call."""
    return _current.set(limit)


def within(seconds: float) -> AbstractContextManager[None]:
    """Give the block at most `seconds`; it never gets more than the call around it has left."""
    return _Within(seconds)


class _Within:
    """The block; a class, since every event passes through one and a generator takes twice as long."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        outer = _current.get()
        end = time.monotonic() + self._seconds
        if outer.end is not None:
            end = min(end, outer.end)
        self._token = _current.set(Limit(end, outer.cancelled, outer.draining))

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
