"""An object store in a dictionary."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from services.kernel.errors import NotFound
from services.runtime.object_store.keys import check_key, check_prefix
from services.runtime.object_store.ports import ObjectEntry


class InMemoryStore:
    """Keeps objects as long as it lives itself."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes) -> None:
        check_key(key)
        with self._lock:
            self._objects[key] = (bytes(data), time.time())

    def put_if_absent(self, key: str, data: bytes) -> bool:
        check_key(key)
        with self._lock:
            if key in self._objects:
                return False
            self._objects[key] = (bytes(data), time.time())
            return True

    def get(self, key: str) -> bytes:
        check_key(key)
        with self._lock:
            if key not in self._objects:
                raise NotFound(f"there is no object {key}", reason="NO_OBJECT")
            return self._objects[key][0]

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        check_prefix(prefix)
        with self._lock:
            found = [
                ObjectEntry(key, len(data), modified_s)
                for key, (data, modified_s) in self._objects.items()
                if key.startswith(prefix)
            ]
        return iter(sorted(found, key=lambda entry: entry.key.encode()))

    def delete(self, key: str) -> None:
        check_key(key)
        with self._lock:
            self._objects.pop(key, None)
