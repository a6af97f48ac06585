"""Images over whatever stores objects."""

from __future__ import annotations

from services.kernel.vocabulary import ImageReference
from services.runtime.object_store.ports import ObjectStore
from services.runtime.object_store.verified import read_verified


class StoredImages:
    """Reads images from an object store, and believes them only if their digest is right."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def read(self, image: ImageReference) -> bytes:
        """Return the bytes that the reference names."""
        return read_verified(self._store, image.key, image.digest)
