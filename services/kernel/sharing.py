"""How calls share the machine: the same work is done once, and not too much of it at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar, overload, runtime_checkable

from services.kernel.errors import DeadlineExceeded

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")

HIT, SHARED, MISS = "hit", "shared", "miss"
"""It was kept; another call was about to have it; it had to be computed."""


@runtime_checkable
class TimeLimit(Protocol):
    """How long the caller still waits."""

    def remaining_s(self) -> float | None:
        """Return the seconds left, at least 0, or None when there is no limit."""
        ...

    def check(self) -> None:
        """Do nothing while the answer is still wanted. Raises DeadlineExceeded, Unavailable."""
        ...


@runtime_checkable
class CacheCounts(Protocol):
    """Counts what is asked of something that keeps results."""

    def count(self, outcome: str) -> None:
        """Count one: `hit`, `shared` or `miss`."""
        ...


class Lazy(Generic[T, V]):
    """A property that is computed when it is first asked for, and kept with its object.

    `functools.cached_property` of Python 3.11 has one lock for all objects of a class: while one image is
    read, no other is. Here nobody waits; threads that ask one object at the same time may each compute.
    """

    def __init__(self, compute: Callable[[T], V]) -> None:
        self._compute = compute
        self._name = ""
        self.__doc__ = compute.__doc__

    def __set_name__(self, _: type[T], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[T]) -> Lazy[T, V]: ...

    @overload
    def __get__(self, instance: T, owner: type[T]) -> V: ...

    def __get__(self, instance: T | None, owner: type[T]) -> Lazy[T, V] | V:
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value  # found before this property from now on
        return value


class _AbandonedError(Exception):
    """Whoever computed the value failed; that failure is theirs, and may not be ours."""


def _one(_: object) -> int:
    return 1


class Once(Generic[K, V]):
    """Computes the value of a key once, however many threads ask for it, and keeps those used last.

    Only values are kept. Whoever computes gets its own error; those who wait for it try themselves, so
    that nobody suffers from another caller's deadline.

    Args:
        limit: How long the current caller waits for another one.
        most: How much is kept; 0 keeps nothing.
        weigh: What a value counts as of that; without, each is one.
        counts: Is told how each key was answered.
    """

    def __init__(
        self,
        limit: TimeLimit,
        *,
        most: int,
        weigh: Callable[[V], int] = _one,
        counts: CacheCounts | None = None,
    ) -> None:
        self._limit = limit
        self._most = most
        self._weigh = weigh
        self._counts = counts
        self._lock = threading.Lock()
        self._begun: dict[K, Future[V]] = {}
        self._kept: OrderedDict[K, tuple[Future[V], int]] = OrderedDict()
        self._weight = 0

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
        mine: dict[K, Future[V]] = {}
        with self._lock:
            futures = [mine[key] if key in mine else self._found(key, mine) for key in keys]
        if mine:
            self._fill(mine, compute)
        return futures

    def _found(self, key: K, mine: dict[K, Future[V]]) -> Future[V]:
        """Return the future of a key; if there is none yet, a new one that is the caller's to fill."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            self._count(HIT)
            return kept[0]
        if key in self._begun:
            self._count(SHARED)
            return self._begun[key]
        self._count(MISS)
        mine[key] = self._begun[key] = Future()
        return mine[key]

    def _count(self, outcome: str) -> None:
        if self._counts is not None:
            self._counts.count(outcome)

    def _fill(self, mine: dict[K, Future[V]], compute: Callable[[Sequence[K]], Sequence[V]]) -> None:
        try:
            values = dict(zip(mine, compute(tuple(mine)), strict=True))
        except BaseException:
            with self._lock:
                for key in mine:
                    del self._begun[key]
            for future in mine.values():
                future.set_exception(_AbandonedError())
            raise
        for key, value in values.items():
            mine[key].set_result(value)
        with self._lock:
            for key, value in values.items():
                self._keep(key, self._begun.pop(key), self._weigh(value))

    def _keep(self, key: K, future: Future[V], weight: int) -> None:
        if weight > self._most:
            return
        self._kept[key] = (future, weight)
        self._weight += weight
        while self._weight > self._most:
            _, (_, gone) = self._kept.popitem(last=False)
            self._weight -= gone

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
