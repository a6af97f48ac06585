"""Work on the items of all streams, on threads that they share."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

from services.kernel.errors import DeadlineExceeded
from services.runtime import deadline, tracing

R = TypeVar("R")


class Workers:
    """Bounded threads for the items of all streams.

    Args:
        threads: Items at work, over all streams.
        item_timeout_s: What one item may take, in seconds, besides what its stream has left.
    """

    def __init__(self, *, threads: int, item_timeout_s: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="stream-item")
        self.item_timeout_s = item_timeout_s

    def submit(self, work: Callable[[], R]) -> Future[R]:
        """Do the work with the stream's deadline and cancellation, the item's own deadline, and its trace."""
        return self._pool.submit(contextvars.copy_context().run, self._limited, work)

    def start(self) -> None:
        """Threads start when they are first needed."""

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _limited(self, work: Callable[[], R]) -> R:
        with deadline.within(self.item_timeout_s), tracing.item("stream item"):
            deadline.check()  # it may have waited for a thread longer than anybody waited for it
            return work()


def outcome(future: Future[R]) -> R:
    """Return what the work gave. Raises what it raised, and DeadlineExceeded for work that was given up."""
    try:
        return future.result()
    except CancelledError as error:
        raise DeadlineExceeded("the process ends", reason="CANCELLED") from error
