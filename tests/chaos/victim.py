"""One process of a server to do harm to."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from infra.local import daemons
from infra.local.server import Running


class Victim:
    """A server of one process, which may be killed, paused and started again on the ports and data it had.

    Args:
        server: The server.
        ready: Whether it is of use; None if nobody is to wait for that when it was started again.
    """

    def __init__(self, server: Running, ready: Callable[[], bool] | None = None) -> None:
        (self._daemon,) = server.daemons
        self._ready = ready

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Away as after a power cut, until the end of the block."""
        self._daemon.kill()
        try:
            yield
        finally:
            self._daemon = daemons.start(self._daemon.program)
            if self._ready is not None:
                daemons.wait_ready(self._daemon, self._ready)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Standing still: it takes connections and never answers."""
        self._daemon.pause()
        try:
            yield
        finally:
            self._daemon.send(signal.SIGCONT)

    def stop(self) -> None:
        """End it, also one that was started again."""
        self._daemon.stop()
