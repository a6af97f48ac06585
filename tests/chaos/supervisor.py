"""Starts a service again whenever it ends, as Kubernetes does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.platform import Platform

_LOOK_EVERY_S = 0.05


@contextmanager
def supervised(platform: Platform, name: str) -> Iterator[list[int]]:
    """Give the exit statuses of the deaths so far; a negative one is the signal that it died of."""
    statuses: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_LOOK_EVERY_S):
            program = platform.programs[name]
            if not program.alive:
                statuses.append(program.stop_code())
                platform.start(name)

    thread = threading.Thread(target=watch, name=f"supervisor-{name}", daemon=True)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()
