"""Sweeps objects whose time is over, in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0


class Sweeper:
    """Calls each sweep now and then, on a thread of its own.

    Args:
        sweeps: Return how many objects they deleted; an error is logged, and the next time they take what
            is left.
        ready: Waits some seconds and says whether the collections are known: what a collection once said
            about its images must not be acted on.
        every_s: Seconds between two sweeps.
    """

    def __init__(
        self, sweeps: Sequence[Callable[[], int]], *, ready: Callable[[float], bool], every_s: float
    ) -> None:
        self._sweeps = sweeps
        self._ready = ready
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the sweep in hand."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self._ready(_LOOK_EVERY_S):
                pass
        except Exception:  # noqa: BLE001  (logged)
            _LOG.exception("nothing is swept: the collections are not known")
            return
        while not self._stop.is_set():
            for sweep in self._sweeps:
                _once(sweep)
            self._stop.wait(self._every_s)


def _once(sweep: Callable[[], int]) -> None:
    try:
        count = sweep()
    except Exception:  # noqa: BLE001  (logged)
        _LOG.exception("sweeping failed; the next sweep takes what is left")
    else:
        if count:
            _LOG.info("%s: deleted %d objects whose time was over", type(sweep).__name__, count)
