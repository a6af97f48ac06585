"""Threads that hold calls, and the turns that calls take: nothing queues without end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CallPool(ThreadPoolExecutor):
    """A thread for each call that it holds; whoever submits asks `full` first, so that none waits for one."""

    def __init__(self, threads: int, *, name: str) -> None:
        super().__init__(max_workers=threads, thread_name_prefix=name)
        self._most = threads
        self._held = 0
        self._counting = threading.Lock()

    @property
    def held(self) -> int:
        """How many calls are at work or wait."""
        return self._held

    @property
    def full(self) -> bool:
        """Whether another call would be one too many."""
        return self._held >= self._most

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Count the work until it is done, refused or cancelled."""
        with self._counting:
            self._held += 1
        try:
            future = super().submit(fn, *args, **kwargs)
        except RuntimeError:
            self._release()
            raise
        future.add_done_callback(self._release)
        return future

    def _release(self, _: object = None) -> None:
        with self._counting:
            self._held -= 1


@dataclass(frozen=True)
class Lane:
    """The threads of one service, so that no service waits for threads that wait for it.

    A stream holds a thread as long as it is open; it has its own threads so that watchers never keep
    unary calls from being answered. A unary call holds one while its message comes, which a slow caller may
    draw out; only then it takes one of the turns, so that slow callers never keep others from being answered.

    Args:
        unary: A thread for each unary call that is at work, is queued, or whose message is on its way.
        streams: A thread for each stream.
        turns: How many unary calls may be at work.
    """

    unary: CallPool
    streams: CallPool
    turns: threading.Semaphore

    @classmethod
    def of(cls, name: str, *, workers: int, queued: int, streams: int) -> Lane:
        """Return a lane; its threads start when they are first needed."""
        short = name.rpartition(".")[2]
        return cls(
            unary=CallPool(workers + queued, name=f"{short}-call"),
            streams=CallPool(streams, name=f"{short}-stream"),
            turns=threading.Semaphore(workers),
        )

    @property
    def held(self) -> int:
        """How many calls and streams it holds."""
        return self.unary.held + self.streams.held

    def close(self) -> None:
        """Take no more work and let idle threads end."""
        self.unary.shutdown(wait=False, cancel_futures=True)
        self.streams.shutdown(wait=False, cancel_futures=True)
