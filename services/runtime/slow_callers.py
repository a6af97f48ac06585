"""Callers that begin a call and are slow to send its message: they are waited for, but not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import grpc

_MOST_LOOKS_S: Final = 1.0


class SlowCallers:
    """Cancels calls whose message takes too long; gRPC itself waits as long as the caller likes.

    Args:
        wait_s: How long a message may take.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._waiting: dict[object, tuple[float, Callable[[], object]]] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slow-callers", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    @contextmanager
    def waited_for(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Wait for this call's message inside."""
        token = object()
        self._waiting[token] = (time.monotonic() + self._wait_s, context.cancel)
        try:
            yield
        finally:
            self._waiting.pop(token, None)

    def _watch(self) -> None:
        while not self._closed.wait(min(_MOST_LOOKS_S, self._wait_s / 4)):
            now_s = time.monotonic()
            for end_s, cancel in tuple(self._waiting.values()):
                if end_s < now_s:
                    cancel()
