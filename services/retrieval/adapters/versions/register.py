"""The register of what was erased: one object for each call that erased something, never removed.

<prefix>/<tenant>/<collection>/<digest of the ids>    {"ids": [...], "memory_version": "v1.0-17", "log": "…"}

The memory version is of a memory without them; it is empty from the moment that they were to be erased until
they were forgotten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.kernel.errors import Corrupt
from services.kernel.vocabulary import CollectionKey
from services.runtime import memory_version
from services.runtime.object_store.ports import ObjectStore

_NAME_CHARACTERS: Final = 32


@dataclass(frozen=True)
class Erasure:
    """What one call erased.

    Args:
        ids: Which exemplars.
        version: Of a memory without them; empty while they are being forgotten.
        log: The identity of the log that the version is of.
    """

    ids: frozenset[str]
    version: str
    log: str

    def is_before(self, offsets: Mapping[int, int], log: str) -> bool:
        """Say whether a memory that has read a log up to these offsets has seen the end of it."""
        return bool(self.version) and self.log == log and self.reached(offsets)

    def reached(self, offsets: Mapping[int, int]) -> bool:
        """Say whether these offsets are at or beyond its end."""
        return memory_version.reached(offsets, memory_version.decode(self.version))


@dataclass(frozen=True)
class Erased:
    """All that was erased of one collection; `digest` is another one whenever something was erased."""

    erasures: tuple[Erasure, ...]
    digest: str

    @property
    def ids(self) -> frozenset[str]:
        """All that were ever erased."""
        return frozenset().union(*(each.ids for each in self.erasures))

    def since(self, offsets: Mapping[int, int], log: str) -> frozenset[str]:
        """Return what was erased since a memory was at these offsets: it must not be brought back from it.

        What such a memory has under the id of an earlier erasure was taught after it. Offsets of another log
        say nothing, so then everything counts.
        """
        return frozenset().union(*(each.ids for each in self.erasures if not each.is_before(offsets, log)))


class Register:
    """Keeps what was erased, for any number of replicas.

    Args:
        store: Where.
        prefix: What its keys begin with.
        log: Gives the identity of the log of the memory.
    """

    def __init__(self, store: ObjectStore, *, prefix: str = "memory/erased", log: Callable[[], str]) -> None:
        self._store = store
        self._prefix = prefix
        self._log = log

    def mark(self, collection: CollectionKey, exemplar_ids: Collection[str], version: str) -> None:
        """Note that these are erased."""
        ids = sorted(set(exemplar_ids))
        if version:
            memory_version.decode(version)
        content = {"ids": ids, "memory_version": version, "log": self._log() if version else ""}
        key = f"{self._prefix}/{collection}/{_digest(ids)[:_NAME_CHARACTERS]}"
        self._store.put(key, json.dumps(content).encode())

    def since(self, collection: CollectionKey, version: str) -> frozenset[str]:
        """Return the ids erased since the memory was of that version."""
        return self.read(collection).since(memory_version.decode(version), self._log())

    def read(self, collection: CollectionKey) -> Erased:
        """Return all that was erased of a collection. Raises Corrupt, Unavailable."""
        entries = list(self._store.list(f"{self._prefix}/{collection}/"))
        values = [self._store.get(entry.key) for entry in entries]
        digest = _digest(data.hex() for data in values) if values else ""
        return Erased(tuple(_erasure(data, collection) for data in values), digest)

    def collections(self) -> list[CollectionKey]:
        """Return the collections of which anything was erased."""
        keys = {
            tuple(entry.key.removeprefix(f"{self._prefix}/").split("/")[:2])
            for entry in self._store.list(f"{self._prefix}/")
        }
        return [CollectionKey(tenant, collection) for tenant, collection in sorted(keys)]


def _erasure(data: bytes, collection: CollectionKey) -> Erasure:
    try:
        content = json.loads(data)
        return Erasure(frozenset(content["ids"]), str(content["memory_version"]), str(content["log"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"the register of what was erased of {collection} is damaged: {error!r}") from error


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part}\n".encode())
    return digest.hexdigest()
