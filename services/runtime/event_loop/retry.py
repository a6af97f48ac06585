"""What an error means for the event that met it: again, or never again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.kernel.errors import DeadlineExceeded, FoveaError, Overloaded, Unavailable

_MOST_DOUBLINGS = 30


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after how long to try again.

    A dependency that is down or has no room is waited for without end, its partition paused. Everything
    else has a limit, so that no event holds up a partition for ever.

    Args:
        base_s: Ceiling of the wait after the first attempt; it doubles with each further one.
        cap_s: Highest ceiling. The wait is a random part of the ceiling, so that many who failed together
            do not come back together.
        deadline_attempts: How often an event may run out of time.
        unknown_attempts: How often an event may meet an error that nobody foresaw.
        kills: How often a process may die while it handles an event, before the event is given up.
    """

    base_s: float = 0.1
    cap_s: float = 30.0
    deadline_attempts: int = 10
    unknown_attempts: int = 3
    kills: int = 3

    def again(self, error: Exception, attempts: int) -> bool:
        """Return whether to try again after `attempts` attempts, the last of which ended in `error`."""
        if isinstance(error, Unavailable | Overloaded):
            return True
        if isinstance(error, DeadlineExceeded):
            return attempts < self.deadline_attempts
        return not isinstance(error, FoveaError) and attempts < self.unknown_attempts

    def transient(self, error: Exception) -> bool:
        """Return whether the same call may succeed later, without anything being changed."""
        return isinstance(error, Unavailable | Overloaded | DeadlineExceeded)

    def delay_s(self, error: Exception, attempts: int, random: Callable[[], float]) -> float:
        """Return how long to wait; `random` gives numbers in [0, 1)."""
        ceiling_s = min(self.cap_s, self.base_s * 2.0 ** min(attempts - 1, _MOST_DOUBLINGS))
        asked_s = error.retry_after_s if isinstance(error, Overloaded) else 0.0
        return max(asked_s, random() * ceiling_s)
