"""What the platform needs from an object store: the part of S3 that every S3 has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class ObjectEntry:
    """One stored object, as a listing shows it. `modified_s` is in seconds since the epoch."""

    key: str
    size_bytes: int
    modified_s: float


@runtime_checkable
class ObjectStore(Protocol):
    """Bytes under keys, safe to use from many threads and processes.

    A key is `/`-separated, of 1 to 1,024 bytes; a part has at most 250, and is never empty, `.` or `..`.
    A reader sees a whole object or none.
    """

    def put(self, key: str, data: bytes) -> None:
        """Store, replacing what was there; durable when it returns. Raises InvalidInput, Unavailable."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store if the key is free, and say whether it was: of many callers, one gets True."""
        ...

    def get(self, key: str) -> bytes:
        """Return the object. Raises NotFound, Unavailable."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield the objects whose key starts with `prefix`, in order of key.

        It may leave out what lies under another object, such as `a/b` when there is an `a`: MinIO does.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object; no error if there is none."""
        ...
