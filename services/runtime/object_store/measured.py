"""Any object store, measured: what is asked of it, how long that takes, and what came back damaged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime import span_names, tracing
from services.runtime.metrics import StorageMetrics
from services.runtime.object_store.ports import ObjectEntry, ObjectStore

_OPERATIONS = ("put", "put_if_absent", "get", "list", "delete")


class _Request:
    """One request under way; `code` is how it ends."""

    def __init__(self) -> None:
        self.code = "ok"


class MeasuredStore:
    """Asks another store, and takes note."""

    def __init__(self, store: ObjectStore, metrics: StorageMetrics) -> None:
        self._store = store
        self._metrics = metrics
        self._seconds = {name: metrics.seconds.labels(name) for name in _OPERATIONS}
        self._names = {name: span_names.storing(name) for name in _OPERATIONS}
        self._written = metrics.bytes.labels("put").observe
        self._read = metrics.bytes.labels("get").observe

    def put(self, key: str, data: bytes) -> None:
        """Store; see the port."""
        with self._measured("put"):
            self._store.put(key, data)
        self._written(len(data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store if the key is free; see the port."""
        with self._measured("put_if_absent") as request:
            first = self._store.put_if_absent(key, data)
            request.code = "ok" if first else "taken"
        self._written(len(data))
        return first

    def get(self, key: str) -> bytes:
        """Return the object; see the port."""
        with self._measured("get"):
            data = self._store.get(key)
        self._read(len(data))
        return data

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield the objects; see the port. Measured is the time until the first."""
        with self._measured("list"):
            entries = iter(self._store.list(prefix))
            first = next(entries, None)
        return iter(()) if first is None else _chained(first, entries)

    def delete(self, key: str) -> None:
        """Remove the object; see the port."""
        with self._measured("delete"):
            self._store.delete(key)

    def mismatched(self) -> None:
        """Count an object that was not what its digest says."""
        self._metrics.digest_mismatch.inc()

    @contextmanager
    def _measured(self, operation: str) -> Iterator[_Request]:
        request = _Request()
        started = time.perf_counter()
        try:
            with tracing.step(*self._names[operation]):
                yield request
        except Exception as error:
            request.code = type(error).__name__
            raise
        finally:
            self._seconds[operation].observe(time.perf_counter() - started)
            self._metrics.requests.labels(operation, request.code).inc()


def _chained(first: ObjectEntry, rest: Iterator[ObjectEntry]) -> Iterator[ObjectEntry]:
    yield first
    yield from rest
