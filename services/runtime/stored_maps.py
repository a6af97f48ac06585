"""Maps over whatever stores objects."""

from __future__ import annotations

import hashlib

from services.kernel.vocabulary import ImageReference
from services.runtime.claim_check import payloads
from services.runtime.object_store.ports import ObjectStore


class StoredMaps:
    """Lays maps beside the payloads of large events, under their digest: whoever sweeps those sweeps these.

    So a map lives as long as an event of its topic, and needs no sweeper of its own. One that is asked for
    again is written again, and begins to age anew.

    Args:
        store: Where they are laid.
        topic: Whose events they live as long as.
    """

    def __init__(self, store: ObjectStore, *, topic: str) -> None:
        self._store = store
        self._topic = topic

    def put(self, image: ImageReference, data: bytes) -> tuple[str, str]:
        """Store a map with its image's tenant."""
        digest = hashlib.sha256(data).hexdigest()
        key = payloads(image.key.partition("/")[0], self._topic) + digest
        self._store.put(key, data)
        return key, digest
