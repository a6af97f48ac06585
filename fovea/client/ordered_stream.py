"""A stream of requests whose answers come in the same order, and that survives a lost connection."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import grpc

from fovea.client.connection import Connection, worth_another_try
from fovea.client.errors import FoveaError, Unavailable

Item = TypeVar("Item")
Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True)
class Entry(Generic[Item, Request]):
    """One item on its way: its request, or why there is none."""

    item: Item
    request: Request | None
    error: FoveaError | None


class Outbox(Generic[Request]):
    """What one call still has to send; a new call gets a new one."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Request | None] = SimpleQueue()

    def put(self, request: Request) -> None:
        """Send this next."""
        self._queue.put(request)

    def end(self) -> None:
        """Send nothing more."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[Request]:
        while (request := self._queue.get()) is not None:
            yield request


class OrderedStream(Generic[Item, Request, Response]):
    """Sends items as they come, at most `window` ahead of their answers, and yields (item, answer) in order.

    One thread reads the items; gRPC's own sends them; the caller's reads the answers. When the connection
    breaks, what has no answer yet is sent again, so requests must be safe to repeat.

    Args:
        connection: Translates errors; its patience says how often a broken stream is opened again.
        start: The stub's method: takes the requests, returns the call.
        prepare: Makes the request of an item. A FoveaError becomes that item's answer.
        window: Most items that are read ahead of the answers.
        timeout_s: Time for the whole stream, or None.
    """

    def __init__(
        self,
        connection: Connection,
        start: Callable[..., Any],
        prepare: Callable[[Item], Request],
        *,
        window: int,
        timeout_s: float | None = None,
    ) -> None:
        self._connection = connection
        self._start = start
        self._prepare = prepare
        self._window = window
        self._end = None if timeout_s is None else time.monotonic() + timeout_s
        self._slots = threading.Semaphore(window)
        self._arrivals: SimpleQueue[Entry[Item, Request] | None] = SimpleQueue()
        self._lock = threading.Lock()  # holds the next three together
        self._outbox: Outbox[Request] = Outbox()
        self._unanswered: deque[Request] = deque()
        self._read_all = False
        self._closed = False
        self._fault: Exception | None = None
        self._call: Any = None

    def run(self, items: Iterable[Item]) -> Iterator[tuple[Item, Response | FoveaError]]:
        """Yield each item with its answer, or with why it could not be sent.

        Raises:
            FoveaError: The stream broke for good.
            Exception: What `items` raised, after the answers to what came before it.
        """
        threading.Thread(target=self._feed, args=(iter(items),), name="fovea-feed", daemon=True).start()
        try:
            self._open()
            while (entry := self._arrivals.get()) is not None:
                answer = entry.error or self._answer()
                self._slots.release()
                yield entry.item, answer
            if self._fault is not None:
                raise self._fault
        finally:
            self._close()

    def _feed(self, items: Iterator[Item]) -> None:
        """Read items while there is room; runs in a thread of its own."""
        try:
            while self._has_room():
                item = next(items, self)  # this stream itself stands for the end
                if item is self:
                    break
                self._send(self._entry(item))  # type: ignore[arg-type]  # not the end, so an item
        except Exception as fault:  # noqa: BLE001  (the caller's own error, raised in the caller's thread)
            self._fault = fault
        with self._lock:
            self._read_all = True
            self._outbox.end()
        self._arrivals.put(None)

    def _has_room(self) -> bool:
        self._slots.acquire()
        return not self._closed

    def _entry(self, item: Item) -> Entry[Item, Request]:
        try:
            return Entry(item, self._prepare(item), None)
        except FoveaError as error:
            return Entry(item, None, error)

    def _send(self, entry: Entry[Item, Request]) -> None:
        if entry.request is not None:
            with self._lock:
                self._unanswered.append(entry.request)
                self._outbox.put(entry.request)
        self._arrivals.put(entry)

    def _answer(self) -> Response:
        """Return the next answer, over as many connections as that takes."""
        pauses = self._connection.patience.pauses()
        while True:
            try:
                return self._received()
            except FoveaError as error:
                pause_s = next(pauses, None)
                if pause_s is None or not worth_another_try(error):
                    raise
                time.sleep(max(pause_s, error.retry_after_s))
                self._open()

    def _received(self) -> Response:
        try:
            answer: Response = next(self._call)
        except grpc.RpcError as failed:
            raise self._connection.translate(failed) from failed
        except StopIteration:
            raise Unavailable("the server ended the stream before its last answer") from None
        with self._lock:
            self._unanswered.popleft()
        return answer

    def _open(self) -> None:
        """Start a call that first sends again what has no answer."""
        with self._lock:
            self._outbox.end()
            self._outbox = Outbox()
            for request in self._unanswered:
                self._outbox.put(request)
            if self._read_all:
                self._outbox.end()
            outbox = self._outbox
        left_s = None if self._end is None else max(self._end - time.monotonic(), 0.001)
        self._call = self._start(iter(outbox), timeout=left_s)

    def _close(self) -> None:
        """Let both threads end, whatever they wait for."""
        self._closed = True
        if self._call is not None:
            self._call.cancel()
        self._slots.release()
        with self._lock:
            self._outbox.end()
