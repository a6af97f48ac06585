"""Sweeps images in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0


class Sweeper:
    """Calls `sweep` now and then on a thread of its own.

    Args:
        sweep: Returns how many images it deleted; an error is logged, and the next sweep takes what is left.
        ready: Waits some seconds and says whether the collections are known: what a collection once said
            about its images must not be acted on.
        every_s: Seconds between two sweeps.
    """

    def __init__(self, sweep: Callable[[], int], *, ready: Callable[[float], bool], every_s: float) -> None:
        self._sweep = sweep
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
            _LOG.exception("no images are swept: the collections are not known")
            return
        while not self._stop.is_set():
            self._once()
            self._stop.wait(self._every_s)

    def _once(self) -> None:
        try:
            count = self._sweep()
        except Exception:  # noqa: BLE001  (logged)
            _LOG.exception("sweeping images failed; the next sweep takes what is left")
        else:
            if count:
                _LOG.info("deleted %d images whose time was over", count)
