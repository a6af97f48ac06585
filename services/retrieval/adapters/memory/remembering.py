"""A dictionary that forgets, for threads that would rather compute again than wait."""

from __future__ import annotations

from typing import Any, TypeVar

_T = TypeVar("_T")


def remember(known: dict[Any, _T], key: Any, value: _T, *, most: int) -> None:
    """Keep a value, at most so many, the oldest going first.

    Threads may do so at once without a lock: each step is one of the interpreter's own.
    """
    known[key] = value
    while len(known) > most:
        try:
            known.pop(next(iter(known)), None)
        except (RuntimeError, StopIteration):  # another thread was quicker
            return
