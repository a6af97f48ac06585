"""Streams whose items are worked on side by side and answered in order, with back-pressure."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Final, Generic, NoReturn, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

Take = Callable[[], R]
"""Waits for one item's answer and returns it."""
_END: Final = None


def in_order(requests: Iterator[Q], begin: Callable[[Q], Take[R]], *, size: int) -> Iterator[R]:
    """Yield the answers in the order of the requests.

    A request is read when fewer than `size` are without an answer, so a slow reader of answers, or slow
    work, holds back the sender. Requests are read on a thread of their own: an answer that is ready
    never waits for the next request.

    Args:
        requests: Read to its end; what it raises is raised behind the answers before it.
        begin: Starts the work on one request, without waiting for it.
        size: Most items under way.
    """
    slots = threading.Semaphore(size)
    takes: SimpleQueue[Take[R] | None] = SimpleQueue()
    closed = threading.Event()

    def read() -> None:
        try:
            while slots.acquire() and not closed.is_set():
                takes.put(begin(next(requests)))
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001  (raised where the answers are taken)
            takes.put(_raising(error))
        takes.put(_END)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(read,), name="stream-reader", daemon=True).start()
    try:
        while (take := takes.get()) is not _END:
            yield take()
            slots.release()
    finally:
        closed.set()
        slots.release()


def _raising(error: Exception) -> Callable[[], NoReturn]:
    def take() -> NoReturn:
        raise error

    return take


class Place(Generic[T, R]):
    """One item's place in a line."""

    def __init__(self) -> None:
        self.outcome: Future[R] = Future()
        self.ready = False
        self.value: T | None = None


class Line(Generic[T, R]):
    """Hands items over in the order in which they joined, as many at a time as are ready.

    Items are made ready side by side; whoever completes the head of the line serves all that are ready
    behind it, so that a group of items costs one write.

    Args:
        serve: Takes ready items in order and returns one result each.
    """

    def __init__(self, serve: Callable[[Sequence[T]], Sequence[R]]) -> None:
        self._serve = serve
        self._places: deque[Place[T, R]] = deque()
        self._lock = threading.Lock()
        self._busy = False

    def join(self) -> Place[T, R]:
        """Return a place behind all others."""
        place: Place[T, R] = Place()
        with self._lock:
            self._places.append(place)
        return place

    def ready(self, place: Place[T, R], value: T) -> None:
        """Let the item be handed over when its turn comes."""
        place.value = value
        self._advance(place)

    def leave(self, place: Place[T, R], error: Exception) -> None:
        """Let the item go without being handed over."""
        place.outcome.set_exception(error)
        self._advance(place)

    def _advance(self, place: Place[T, R]) -> None:
        with self._lock:
            place.ready = True
            if self._busy:  # whoever is at it looks again before going
                return
            self._busy = True
        while batch := self._heads():
            self._hand_over([each for each in batch if not each.outcome.done()])

    def _heads(self) -> Sequence[Place[T, R]]:
        with self._lock:
            batch = []
            while self._places and self._places[0].ready:
                batch.append(self._places.popleft())
            self._busy = bool(batch)
            return batch

    def _hand_over(self, batch: Sequence[Place[T, R]]) -> None:
        values = [each.value for each in batch if each.value is not None]
        if not values:
            return
        try:
            results = self._serve(values)
        except Exception as error:  # noqa: BLE001  (each of the items gets it)
            for each in batch:
                each.outcome.set_exception(error)
        else:
            for each, result in zip(batch, results, strict=True):
                each.outcome.set_result(result)
