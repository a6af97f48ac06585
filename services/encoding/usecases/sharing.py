"""How calls share the machine: the same work is done once, and not too much of it at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache
from typing import Generic, TypeVar

from services.encoding.ports import TimeLimit
from services.kernel.errors import DeadlineExceeded

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _AbandonedError(Exception):
    """Whoever computed the value failed; that failure is theirs, and may not be ours."""


class _Slot(Generic[V]):
    """The value of one key, if anybody computed it or is about to."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: Future[V] | None = None


class Once(Generic[K, V]):
    """Computes the value of a key once, however many threads ask for it, and keeps those used last.

    Only values are kept. Whoever computes gets its own error; those who wait for it try themselves, so
    that nobody suffers from another caller's deadline.

    Args:
        limit: How long the current caller waits for another one.
        entries: Most values to keep; 0 keeps and shares none.
    """

    def __init__(self, limit: TimeLimit, *, entries: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._slot: Callable[[K], _Slot[V]] = lru_cache(maxsize=entries)(lambda _: _Slot())

    def __call__(self, keys: Sequence[K], compute: Callable[[Sequence[K]], Sequence[V]]) -> list[V]:
        """Return the value of each key.

        Args:
            keys: A key may stand there twice.
            compute: Gives the values of the keys that nobody computed, in their order.

        Raises:
            DeadlineExceeded: Another caller takes longer than this one can wait.
            Exception: Whatever `compute` raises.
        """
        while True:
            futures = self._started(keys, compute)
            try:
                return [self._awaited(future) for future in futures]
            except _AbandonedError:
                continue

    def _started(self, keys: Sequence[K], compute: Callable[[Sequence[K]], Sequence[V]]) -> list[Future[V]]:
        """Return a future for each key, those that are this caller's to compute being done.

        A caller waits only when its own part is done, so that no two wait for each other.
        """
        futures: list[Future[V]] = []
        mine: dict[K, tuple[_Slot[V], Future[V]]] = {}
        with self._lock:
            for key in keys:
                slot = self._slot(key) if key not in mine else mine[key][0]
                if slot.future is None:
                    slot.future = Future()
                    mine[key] = (slot, slot.future)
                futures.append(slot.future)
        if mine:
            self._fill(mine, compute)
        return futures

    def _fill(
        self,
        mine: dict[K, tuple[_Slot[V], Future[V]]],
        compute: Callable[[Sequence[K]], Sequence[V]],
    ) -> None:
        try:
            pairs = list(zip(mine.values(), compute(tuple(mine)), strict=True))
        except BaseException:
            for slot, future in mine.values():
                slot.future = None
                future.set_exception(_AbandonedError())
            raise
        for (_, future), value in pairs:
            future.set_result(value)

    def _awaited(self, future: Future[V]) -> V:
        try:
            return future.result(self._limit.remaining_s())
        except TimeoutError:
            raise DeadlineExceeded("another call computes the same, and takes longer than you wait") from None


class Turns:
    """Lets a few callers work at a time, so that neither cores nor memory are fought for.

    Args:
        limit: How long the current caller waits for its turn.
        at_once: How many work at a time.
    """

    def __init__(self, limit: TimeLimit, *, at_once: int) -> None:
        self._limit = limit
        self._free = threading.BoundedSemaphore(at_once)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Work inside the block. Raises DeadlineExceeded when the time is used up before the turn comes."""
        if not self._free.acquire(timeout=self._limit.remaining_s()):
            raise DeadlineExceeded("the time that the caller gave was used up waiting for a turn")
        try:
            yield
        finally:
            self._free.release()
