"""How fast the ranker was lately."""

from __future__ import annotations

import threading

from services.ranking.domain.asking import Terms
from services.ranking.domain.planning import Pace


class Pacemaker:
    """Keeps the pace of a ranker, starting from what it says of itself.

    A ranker that was too slow to be asked is thought to recover bit by bit, or nobody would ever find out
    that it did.

    Args:
        terms: Of the ranker.
    """

    def __init__(self, terms: Terms) -> None:
        self._first = Pace(terms.call_s, terms.token_s)
        self._pace = self._first
        self._lock = threading.Lock()

    def pace(self) -> Pace:
        """Return what asking takes now."""
        return self._pace

    def took(self, tokens: int, duration_s: float) -> None:
        """Take what so many tokens took; of a call that was given up, those that it was to have."""
        with self._lock:
            self._pace = self._pace.after(tokens, duration_s)

    def skipped(self) -> None:
        """Take that there was no time to ask."""
        with self._lock:
            if self._pace.token_s > self._first.token_s:
                self._pace = Pace(
                    0.95 * self._pace.call_s + 0.05 * self._first.call_s,
                    0.95 * self._pace.token_s + 0.05 * self._first.token_s,
                )
