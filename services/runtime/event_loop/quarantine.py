"""Who works beside whom: an event that a process died of before is handled with no other beside it.

When a process dies, every event at work in it is suspected. If they were handled side by side again, all of
them would be blamed for what one of them does; alone, the deadly one dies alone and the others end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class Quarantine:
    """Lets in many who are trusted, or one who is not."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._suspects = 0  # inside or waiting: nobody else is let in meanwhile

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """Work beside others who are trusted."""
        with self._changed:
            self._changed.wait_for(lambda: not self._suspects)
            self._inside += 1
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody else is at work, and keep it so."""
        with self._changed:
            self._suspects += 1
            self._changed.wait_for(lambda: not self._inside)
            self._inside += 1
        try:
            yield
        finally:
            self._leave(suspects=1)

    def _leave(self, *, suspects: int = 0) -> None:
        with self._changed:
            self._inside -= 1
            self._suspects -= suspects
            self._changed.notify_all()


OF_THIS_PROCESS: Final = Quarantine()
"""A process dies as a whole, so all its loops share one."""
