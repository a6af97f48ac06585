"""What a server says that its model is, asked for now and then and not for every image."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FRESH_S: Final = 5.0
"""How long it is taken as true; a Triton's word as long."""


class Naming:
    """Keeps a name for a while; safe to use from many threads, some of which may ask at once.

    Args:
        ask: Returns the name.
        clock: Seconds.
    """

    def __init__(self, ask: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._known = ("", float("-inf"))

    def __call__(self) -> str:
        """Return the name. Raises what asking raises, and keeps nothing then."""
        name, until_s = self._known
        if self._clock() >= until_s:
            name = self._ask()
            self._known = (name, self._clock() + FRESH_S)
        return name
