"""Waiting for what another thread will see in the log, as long as the caller waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from services.runtime import deadline

_LOOK_EVERY_S: Final = 0.25


def wait_until(condition: threading.Condition, met: Callable[[], bool]) -> None:
    """Return when `met` is true; whoever changes that notifies the condition, which the caller holds.

    Raises DeadlineExceeded when the time is up or nobody waits any more.
    """
    while not met():
        deadline.check()
        left_s = deadline.remaining_s()
        condition.wait(_LOOK_EVERY_S if left_s is None else min(left_s, _LOOK_EVERY_S))
