"""Values under names, in an object store that has no replace-if-unchanged.

<prefix>/<tenant>/<collection>/<name>/000000000003    a value; the greatest number counts, empty: none

A change takes the number after the one that it was made from, and a number is given once: so of two that
change the same value one learns that it has lost, and nothing that was deleted comes back by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.kernel.errors import Conflict, Corrupt, NotFound, Unavailable
from services.kernel.vocabulary import CollectionKey
from services.retrieval.domain.versions import listed
from services.runtime.object_store.ports import ObjectEntry, ObjectStore

_TRIES: Final = 5
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True)
class Link:
    """A value as it was found, and its number."""

    collection: CollectionKey
    name: str
    number: int
    data: bytes


class Chains:
    """Keeps values under names, for any number of replicas; what is read back is what was written.

    Args:
        store: Where.
        prefix: What its keys begin with.
        noun: What a value is called, for people.
    """

    def __init__(self, store: ObjectStore, *, prefix: str, noun: str) -> None:
        self._store = store
        self._prefix = prefix
        self._noun = noun

    def create(self, collection: CollectionKey, name: str, data: bytes) -> None:
        """Keep a value under a name. Raises Conflict if it is taken, Unavailable."""
        newest = self._newest(collection, name)
        if newest is not None and newest.size_bytes:
            raise self._taken(collection, name)
        if not self._put(collection, name, _number(newest) + 1, data):
            raise self._taken(collection, name)

    def require_free(self, collection: CollectionKey, name: str) -> None:
        """Raise Conflict if a name is taken. Raises Unavailable."""
        newest = self._newest(collection, name)
        if newest is not None and newest.size_bytes:
            raise self._taken(collection, name)

    def read(self, collection: CollectionKey, name: str) -> Link:
        """Return the value of a name. Raises NotFound, naming those that there are, Corrupt, Unavailable."""
        for _ in range(_TRIES):
            newest = self._newest(collection, name)
            if newest is None or not newest.size_bytes:
                raise self._unknown(collection, name)
            try:
                data = self._store.get(newest.key)
            except NotFound:
                continue  # it was replaced just now
            return Link(collection, name, _number(newest), self._checked(data, collection, name))
        raise Unavailable(f"the {self._noun} {name} of {collection} changes all the time; try again")

    def replace(self, link: Link, data: bytes) -> bool:
        """Put a value in place of the one that was found; say whether it was still that one."""
        return self._put(link.collection, link.name, link.number + 1, data)

    def delete(self, collection: CollectionKey, name: str) -> None:
        """Remove the value of a name. Raises NotFound, naming those that there are, Unavailable."""
        for _ in range(_TRIES):
            newest = self._newest(collection, name)
            if newest is None or not newest.size_bytes:
                raise self._unknown(collection, name)
            if self._put(collection, name, _number(newest) + 1, None):
                return
        raise Unavailable(f"the {self._noun} {name} of {collection} changes all the time; try again")

    def names(self, collection: CollectionKey) -> list[str]:
        """Return the names that have a value, in order."""
        return [name for _, name in self._named(f"{self._prefix}/{collection}/")]

    def all(self) -> list[tuple[CollectionKey, str]]:
        """Return the names of all collections that have a value."""
        return self._named(f"{self._prefix}/")

    def links(self, collection: CollectionKey) -> Iterator[Link]:
        """Yield the values of a collection, in order of name; what is deleted meanwhile may be missing."""
        for name in self.names(collection):
            try:
                yield self.read(collection, name)
            except NotFound:
                continue

    def _named(self, prefix: str) -> list[tuple[CollectionKey, str]]:
        newest: dict[tuple[CollectionKey, str], ObjectEntry] = {}
        for entry in self._store.list(prefix):
            tenant, collection, name, number = entry.key.removeprefix(f"{self._prefix}/").split("/")
            key = (CollectionKey(tenant, collection), name)
            if number.isdecimal() and (key not in newest or _number(newest[key]) < int(number)):
                newest[key] = entry
        return [key for key, entry in sorted(newest.items()) if entry.size_bytes]

    def _newest(self, collection: CollectionKey, name: str) -> ObjectEntry | None:
        entries = self._store.list(f"{self._prefix}/{collection}/{name}/")
        return max(entries, key=_number, default=None)

    def _put(self, collection: CollectionKey, name: str, number: int, data: bytes | None) -> bool:
        """Take a number, and remove what came before it; without data the value is gone."""
        folder = f"{self._prefix}/{collection}/{name}/"
        sealed = b"" if data is None else hashlib.sha256(data).digest() + data
        own = f"{folder}{number:012d}"
        if not self._store.put_if_absent(own, sealed):
            return False
        entries = list(self._store.list(folder))
        if max(map(_number, entries), default=number) > number:
            self._store.delete(own)  # the number was free because it is long gone by
            return False
        for entry in entries:
            if _number(entry) < number:
                self._store.delete(entry.key)
        return True

    def _checked(self, sealed: bytes, collection: CollectionKey, name: str) -> bytes:
        digest, data = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
        if hashlib.sha256(data).digest() != digest:
            raise Corrupt(
                f"the {self._noun} {name} of {collection} is damaged: its digest is not that of its content",
                reason="DIGEST_MISMATCH",
            )
        return data

    def _unknown(self, collection: CollectionKey, name: str) -> NotFound:
        names = self.names(collection)
        there = f"there are {listed(names)}" if names else "none was kept yet"
        return NotFound(
            f"{collection} has no {self._noun} {name!r}; {there}",
            field="name",
            reason=f"{self._noun.upper().replace(' ', '_')}_UNKNOWN",
        )

    def _taken(self, collection: CollectionKey, name: str) -> Conflict:
        return Conflict(
            f"{collection} has a {self._noun} {name!r} already; it never changes: "
            "choose another name, or delete it first",
            field="name",
            reason=f"{self._noun.upper().replace(' ', '_')}_EXISTS",
        )


def _number(entry: ObjectEntry | None) -> int:
    last = entry.key.rpartition("/")[2] if entry else ""
    return int(last) if last.isdecimal() else 0
