"""A circuit breaker: a ranker on a server that keeps callers waiting in vain is left alone for a while.

What fails at once costs nobody anything and is asked every time; only slow failures count. The libraries
that were looked at either hold a lock while they call or let everybody through when they try again
(docs/decisions/0033-remote-rankers.md).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from prometheus_client import Gauge

from services.kernel.errors import DeadlineExceeded, FoveaError, Unavailable
from services.ranking.domain.asking import Effort, Judgement, Question, Terms
from services.ranking.ports import Ranker
from services.runtime import deadline

FAILURES: Final = 3
"""Slow ones in a row that open it."""
SLOW_S: Final = 0.5
"""What a failure takes at least to be one that counts."""
REST_S: Final = 5.0
"""How long nobody is kept waiting, before one call tries."""
_LOG: Final = logging.getLogger(__name__)
Clock = Callable[[], float]


class Breaker:
    """Closed: all calls pass. Open: none does. Half open, when it has rested: one at a time does.

    Args:
        up: Shows 1 while it is closed.
        clock: Seconds.
    """

    def __init__(self, up: Gauge, clock: Clock = time.monotonic) -> None:
        self._up = up
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until: float | None = None
        self._tried = False
        up.set(1)

    @contextmanager
    def passing(self, *, proves: bool) -> Iterator[None]:
        """Let a call pass, and learn from how it ends.

        Args:
            proves: Whether its success shows that the server answers again.

        Raises:
            Unavailable: It is left alone; the reason is RANKER_RESTING.
        """
        tries = self._admitted()
        started = self._clock()
        try:
            yield
        except (Unavailable, DeadlineExceeded) as error:
            slow = self._clock() - started >= SLOW_S
            self._ended(tries=tries, failed=slow and _is_its_fault(error))
            raise
        except BaseException:
            self._ended(tries=tries, failed=False)
            raise
        if proves:
            self._closed()
        else:
            self._ended(tries=tries, failed=False)

    def _admitted(self) -> bool:
        """Return whether the call is the one that tries. Raises Unavailable."""
        with self._lock:
            if self._rests_until is None:
                return False
            if self._tried or self._clock() < self._rests_until:
                raise Unavailable("the ranker kept callers waiting in vain", reason="RANKER_RESTING")
            self._tried = True
            return True

    def _ended(self, *, tries: bool, failed: bool) -> None:
        with self._lock:
            self._tried = self._tried and not tries
            self._failures += failed
            closed = self._rests_until is None
            if failed and (tries or (closed and self._failures >= FAILURES)):
                self._rests_until = self._clock() + REST_S
                self._up.set(0)
                if closed:
                    _LOG.warning("the ranker keeps callers waiting in vain: it is asked every %.0f s", REST_S)

    def _closed(self) -> None:
        with self._lock:
            if self._rests_until is not None:
                _LOG.warning("the ranker answers again")
            self._failures, self._rests_until, self._tried = 0, None, False
            self._up.set(1)


class RestingRanker:
    """Asks a ranker on a server, as long as that does not keep callers waiting in vain.

    Args:
        ranker: Is asked.
        up: Shows 0 while it is not, or only to see whether it answers again.
        clock: Seconds.
    """

    def __init__(self, ranker: Ranker, up: Gauge, clock: Clock = time.monotonic) -> None:
        self._ranker = ranker
        self._breaker = Breaker(up, clock)

    def models(self) -> tuple[str, ...]:
        """Return what the ranker says; that it says so does not show that it answers questions."""
        with self._breaker.passing(proves=False):
            return self._ranker.models()

    def terms(self) -> Terms:
        """Return those of the ranker."""
        return self._ranker.terms()

    def rank(self, questions: Sequence[Question], effort: Effort) -> Sequence[Judgement | FoveaError]:
        """Return what the ranker says; see the port. Raises Unavailable while it is left alone."""
        with self._breaker.passing(proves=True):
            return self._ranker.rank(questions, effort)


def _is_its_fault(error: FoveaError) -> bool:
    """Whether the server had all the time there was: not so if the caller went away."""
    return isinstance(error, Unavailable) or deadline.remaining_s() == 0.0
