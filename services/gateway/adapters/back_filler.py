"""Encodes exemplars again in the background, no faster than it may."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from services.kernel.errors import FoveaError
from services.runtime import deadline
from services.runtime.metrics import BackFillMetrics

_LOG: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 1.0
_PASS_S: Final = 3600.0
_JOIN_S: Final = 2.0


class Pace:
    """Lets so many exemplars a second pass, and ends the waiting when it is told to stop."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._stop = threading.Event()

    def __call__(self, count: int) -> bool:
        """Wait as long as so many take; return whether to stop."""
        return self.wait(count / self._per_s)

    def wait(self, seconds: float) -> bool:
        """Wait; return whether to stop."""
        return self._stop.wait(seconds)

    def stop(self) -> None:
        """End all waiting."""
        self._stop.set()


class MetricsBackFill:
    """Tells operators how far it is."""

    def __init__(self, metrics: BackFillMetrics) -> None:
        self._metrics = metrics

    def remaining(self, *, lacking: int, leaving: int) -> None:
        """Set how much there is to do."""
        self._metrics.remaining.labels("lacking").set(lacking)
        self._metrics.remaining.labels("leaving").set(leaving)

    def handed_over(self, count: int) -> None:
        """Count what was handed over."""
        self._metrics.handed_over.inc(count)


class BackFiller:
    """Calls the back-fill again and again, on a thread of its own.

    Args:
        back_fill: Returns how many exemplars it handed over; an error is logged, and the next time goes on.
        pace: It stops with this.
        ready: Waits some seconds and says whether the collections are known.
        every_s: Seconds between two looks when there was nothing to do.
    """

    def __init__(
        self, back_fill: Callable[[], int], pace: Pace, *, ready: Callable[[float], bool], every_s: float
    ) -> None:
        self._back_fill = back_fill
        self._pace = pace
        self._ready = ready
        self._every_s = every_s
        self._thread = threading.Thread(target=self._run, name="back-fill", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the page in hand."""
        self._pace.stop()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._pace.wait(0.0):
            try:
                if self._ready(_LOOK_EVERY_S) and self._once():
                    continue
            except Exception:  # noqa: BLE001  (logged)
                _LOG.exception("exemplars cannot be encoded again; the next look goes on with it")
            self._pace.wait(self._every_s)

    def _once(self) -> int:
        try:
            with deadline.within(_PASS_S):
                count = self._back_fill()
        except FoveaError as error:
            _LOG.warning("encoding exemplars again waits: %s", error.message)
            return 0
        if count:
            _LOG.info("%d exemplars were handed over to be encoded again", count)
        return count
