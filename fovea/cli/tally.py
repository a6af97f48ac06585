"""Counts items, reports those that failed, and ends a command with the right exit code."""

from __future__ import annotations

import threading

import typer

from fovea.cli.exits import ExitCode
from fovea.cli.terminal import complain, say
from fovea.client import Denied, FoveaError, NotFound, Unsupported


class Tally:
    """Counts the items of one command."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._done = 0
        self._failed = 0
        self._skipped = 0
        self._lock = threading.Lock()

    @property
    def seen(self) -> int:
        """How many items were dealt with."""
        return self._done + self._failed + self._skipped

    def count(self, what: str, failure: FoveaError | None) -> None:
        """Count one item, and say why if it failed.

        Raises:
            FoveaError: The failure, if all other items would fail for the same reason.
        """
        if isinstance(failure, NotFound | Denied | Unsupported):
            raise failure
        if failure is None:
            self._done += 1
        else:
            self._failed += 1
            complain(what, failure)

    def skip(self) -> None:
        """Count one item that was done before; any thread may call this."""
        with self._lock:
            self._skipped += 1

    def finish(self, note: str = "") -> None:
        """Say how it went. Raises typer.Exit if an item failed."""
        parts = [f"{self._verb} {self._done}"]
        if self._skipped:
            parts.append(f"{self._skipped} were known already")
        if self._failed:
            parts.append(f"{self._failed} failed")
        say(", ".join(parts) + note)
        self.check()

    def check(self) -> None:
        """Raise typer.Exit if an item failed."""
        if self._failed:
            raise typer.Exit(ExitCode.SOME_FAILED)
