"""One transaction for everybody who waits to write: a group commit without a thread of its own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar, runtime_checkable

from services.kernel.errors import FoveaError, Unavailable

R = TypeVar("R")


@runtime_checkable
class Hooks(Protocol):
    """What goes along with every transaction."""

    def before_commit(self, connection: sqlite3.Connection) -> None:
        """Write what is written once a transaction."""
        ...

    def committed(self) -> None:
        """Take note: everything written is durable."""
        ...

    def rolled_back(self) -> None:
        """Take note: nothing was written."""
        ...


class _Ticket:
    """One caller's work, and how it ended."""

    def __init__(self, work: Callable[[sqlite3.Connection], None]) -> None:
        self._work = work
        self.done = False
        self.error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        try:
            self._work(connection)
        except FoveaError as error:  # it refused before it wrote; the others' work stands
            self.error = error

    def fail(self, error: BaseException) -> None:
        if self.error is None:
            reason = "LOG_FULL" if _is_full(error) else ""
            self.error = Unavailable(f"the event log could not write: {error}", reason=reason)
            self.error.__cause__ = error


class Writer:
    """Runs pieces of work in transactions; callers who come at the same time share one.

    Whoever gets the lock does the work of all who wait by then; those find theirs done.
    """

    def __init__(self, connection: sqlite3.Connection, hooks: Hooks) -> None:
        self._connection = connection
        self._hooks = hooks
        self._queue: list[_Ticket] = []
        self._queue_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._closed = False

    def run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Return what `work` gave, once all that it wrote is durable.

        `work` raises an error of the kernel only before it writes. Raises Unavailable if the disk
        failed: then nothing was written or, at worst, all of it.
        """
        results: list[R] = []
        ticket = _Ticket(lambda connection: results.append(work(connection)))
        with self._queue_lock:
            self._queue.append(ticket)
        with self._write_lock:
            if not ticket.done:
                self._commit_queue()
        if ticket.error is not None:
            raise ticket.error
        return results[0]

    def close(self) -> None:
        """Let the transaction under way end, and refuse further work."""
        with self._write_lock:
            self._closed = True
            self._connection.close()

    def _commit_queue(self) -> None:
        with self._queue_lock:
            tickets, self._queue = self._queue, []
        try:
            self._transact(tickets)
        except BaseException as error:
            self._roll_back()
            for ticket in tickets:
                ticket.fail(error)
            if not isinstance(error, Exception):  # an interrupt; the other callers try again
                raise
        finally:
            for ticket in tickets:
                ticket.done = True

    def _transact(self, tickets: Sequence[_Ticket]) -> None:
        if self._closed:
            raise Unavailable("it is closed")
        self._connection.execute("BEGIN IMMEDIATE")
        for ticket in tickets:
            ticket.run(self._connection)
        self._hooks.before_commit(self._connection)
        self._connection.execute("COMMIT")
        self._hooks.committed()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.rollback()
        self._hooks.rolled_back()


def _is_full(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
