"""What a server of the local stack is: installed once, started in a folder, stopped by its pids."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from infra.local.daemons import Daemon


@dataclass(frozen=True)
class Running:
    """A server that was started.

    Args:
        daemons: Its processes.
        settings: What a service is told to reach it: environment variables such as FOVEA_KAFKA_SERVERS.
    """

    daemons: Sequence[Daemon]
    settings: Mapping[str, str]

    def stop(self) -> None:
        """End all its processes, together: one may wait for another."""
        for daemon in self.daemons:
            daemon.ask_to_stop()
        for daemon in self.daemons:
            daemon.stop()


@runtime_checkable
class Server(Protocol):
    """One kind of server."""

    name: str

    def install(self, cache: Path) -> None:
        """Have what it needs in a folder of its own in the cache; nothing to do the second time.

        Raises LocalError if a tool is missing; says which and how to get it.
        """
        ...

    def start(self, cache: Path, folder: Path) -> Running:
        """Start it on free ports with its data in `folder`, and return when it is of use.

        Raises LocalError if it does not come up; then none of its processes is left.
        """
        ...


def cache_folder() -> Path:
    """Return where servers are installed: outside the work tree, FOVEA_CACHE or ~/.cache/fovea."""
    folder = Path(os.environ.get("FOVEA_CACHE") or Path.home() / ".cache" / "fovea")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


@contextmanager
def running(server: Server, folder: Path) -> Iterator[Running]:
    """Install, start and, at the end, stop a server."""
    cache = cache_folder()
    server.install(cache)
    started = server.start(cache, folder)
    try:
        yield started
    finally:
        started.stop()
