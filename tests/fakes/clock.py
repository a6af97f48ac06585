"""A clock that only moves when it is told to, and chance that always gives the same."""

from __future__ import annotations

import time

from services.runtime.event_loop import Clock


class ManualClock:
    def __init__(self) -> None:
        self.began_s = 1_000_000_000.0
        self.elapsed_s = 0.0
        self.chance = 0.5

    def begin_now(self) -> None:
        """Be the time of the machine, for what compares with it."""
        self.began_s = time.time()

    def pass_time(self, seconds: float) -> None:
        self.elapsed_s += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.elapsed_s, lambda: self.began_s + self.elapsed_s, lambda: self.chance)
