"""Reading an object whose digest is known."""

from __future__ import annotations

import hashlib
from typing import Protocol, runtime_checkable

from services.kernel.errors import Corrupt
from services.runtime.object_store.ports import ObjectStore


@runtime_checkable
class CountsMismatches(Protocol):
    """A store that wants to know what was read from it and was not what it should be."""

    def mismatched(self) -> None:
        """Count one."""
        ...


def read_verified(store: ObjectStore, key: str, digest: str) -> bytes:
    """Return the object, whose SHA-256 must be `digest` (hexadecimal).

    Raises:
        Corrupt: It is not.
        NotFound: There is no such object.
        Unavailable: The store cannot be read now.
    """
    data = store.get(key)
    found = hashlib.sha256(data).hexdigest()
    if found != digest.lower():
        if isinstance(store, CountsMismatches):
            store.mismatched()
        raise Corrupt(f"object {key} has SHA-256 {found}, not {digest}", reason="DIGEST_MISMATCH")
    return data
