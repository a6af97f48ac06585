"""Who works beside whom: an event that a process died of before is handled with no other beside it.

When a process dies, every event at work in it is suspected. If they were handled side by side again, all of
them would be blamed for what one of them does; alone, the deadly one dies alone and the others end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final


class Quarantine:
    """Lets in many who are trusted, or one who is not."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._suspects = 0  # inside or waiting: nobody else is let in meanwhile
        self._trusted = _Trusted(self)

    def trusted(self) -> AbstractContextManager[None]:
        """Work beside others who are trusted."""
        return self._trusted

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
            self.leave(suspects=1)

    def enter(self) -> None:
        """Begin to work beside others who are trusted."""
        with self._changed:
            if self._suspects:
                self._changed.wait_for(lambda: not self._suspects)
            self._inside += 1

    def leave(self, *, suspects: int = 0) -> None:
        """End."""
        with self._changed:
            self._inside -= 1
            if self._suspects:
                self._suspects -= suspects
                self._changed.notify_all()


class _Trusted:
    """The block; a class, since every event passes through it and a generator takes twice as long."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine

    def __enter__(self) -> None:
        self._quarantine.enter()

    def __exit__(self, *_: object) -> None:
        self._quarantine.leave()


OF_THIS_PROCESS: Final = Quarantine()
"""A process dies as a whole, so all its loops share one."""
