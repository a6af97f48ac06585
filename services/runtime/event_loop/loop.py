"""The threads of one subscription."""

from __future__ import annotations

import logging
import threading
import time

from services.kernel.errors import Unavailable
from services.runtime.event_loop.subscription import Platform, Subscription
from services.runtime.event_loop.worker import Worker

_log = logging.getLogger(__name__)


class EventLoop:
    """Runs one subscription in threads of its own, each a member of the group, until it is stopped.

    A thread that loses its consumer, for whatever reason, joins the group again after a while.
    """

    def __init__(self, subscription: Subscription, platform: Platform) -> None:
        self.metrics = subscription.metrics
        self._subscription = subscription
        self._platform = platform
        self._stop = threading.Event()
        self._failures: dict[int, Exception] = {}
        name = f"{subscription.group}:{subscription.topic}"
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"{name}-{number}", daemon=True)
            for number in range(subscription.workers)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the threads to finish the event in hand, publish, commit and leave the group."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for them, and say whether all have ended."""
        end_s = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def check(self) -> None:
        """Raise Unavailable if events are not being handled: a thread cannot join its group, or died."""
        name = f"{self._subscription.topic} for {self._subscription.group}"
        for error in list(self._failures.values()):
            raise Unavailable(f"{name} is not being handled: {error}") from error
        if not self._stop.is_set() and not all(thread.is_alive() for thread in self._threads):
            raise Unavailable(f"{name} is not being handled: a thread has not started or has ended")

    def _run(self, number: int) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._join_group(number)
            except Exception as error:  # noqa: BLE001  (the thread must not end)
                failures = failures + 1 if number in self._failures else 1
                self._failures[number] = error
                _log.exception("lost the consumer of %s, joining again", self._subscription.topic)
                clock = self._platform.clock
                self._stop.wait(self._platform.retry.delay_s(error, failures, clock.random))

    def _join_group(self, number: int) -> None:
        subscription = self._subscription
        with self._platform.log.consumer(subscription.group, [subscription.topic]) as consumer:
            worker = Worker(subscription, self._platform, consumer, self._stop.is_set)
            try:
                while not self._stop.is_set():
                    worker.step()
                    self._failures.pop(number, None)
                worker.finish()
            finally:
                worker.leave()
