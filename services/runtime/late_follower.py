"""A follower for a service that starts before the event log does."""

from __future__ import annotations

import logging
import threading

from services.kernel.errors import Unavailable
from services.runtime.follower import Follower

_LOG = logging.getLogger(__name__)


class LateFollower:
    """Starts a follower as soon as the log can be read, and says when the view is complete.

    Args:
        follower: Not started yet.
        what: It keeps up to date, for error messages: `the collections`.
        pause_s: From one attempt to the next.
    """

    def __init__(self, follower: Follower, what: str, *, pause_s: float = 1.0) -> None:
        self._follower = follower
        self._what = what
        self._pause_s = pause_s
        self._started = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"start:{what}", daemon=True)

    def start(self) -> None:
        """Begin to try, and return at once."""
        self._thread.start()

    def check(self) -> None:
        """Raise Unavailable unless all is read that was in the log when it began, and it is read on."""
        if not (self._started.is_set() and self._follower.wait_caught_up(0.0)):
            raise Unavailable(f"{self._what} are still being read from the log")

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._started.is_set():
            self._follower.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follower.start()
            except Unavailable as error:
                _LOG.warning("%s cannot be read yet: %s", self._what, error)
                self._stop.wait(self._pause_s)
            else:
                self._started.set()
                return
