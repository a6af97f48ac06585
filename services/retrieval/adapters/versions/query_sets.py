"""Query sets in the object store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError

from services.kernel.errors import Corrupt, InvalidInput
from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.versions.chains import Chains, Link
from services.retrieval.adapters.versions.register import Erased, Register
from services.retrieval.codec.versions import read_kept_queries, write_kept_queries
from services.retrieval.domain.versions import QuerySet
from services.runtime import memory_version


class _Kept(NamedTuple):
    queries: QuerySet
    log: str

    def without(self, erased: Erased) -> QuerySet:
        """Return what is left of it: a question goes with the exemplar that it was made of."""
        offsets = memory_version.decode(self.queries.memory_version)
        return self.queries.without(erased.since(offsets, self.log))


class StoredQuerySets:
    """Keeps query sets for any number of replicas.

    Args:
        chains: Where they are.
        register: What was erased.
        log: Gives the identity of the log of the memory.
    """

    def __init__(self, chains: Chains, register: Register, *, log: Callable[[], str]) -> None:
        self._chains = chains
        self._register = register
        self._log = log

    def keep(self, collection: CollectionKey, queries: QuerySet) -> None:
        """Keep questions."""
        self._chains.create(collection, queries.name, write_kept_queries(queries, log=self._log()))

    def list(self, collection: CollectionKey) -> Sequence[QuerySet]:
        """Return what is kept of a collection, the oldest first."""
        erased = self._register.read(collection)
        sets = [_read(link).without(erased) for link in self._chains.links(collection)]
        return sorted(sets, key=lambda each: (each.created_s, each.name))

    def get(self, collection: CollectionKey, name: str) -> QuerySet:
        """Return kept questions."""
        return _read(self._chains.read(collection, name)).without(self._register.read(collection))

    def delete(self, collection: CollectionKey, name: str) -> None:
        """Keep questions no longer."""
        self._chains.delete(collection, name)

    def clean(self, collection: CollectionKey, register: Erased) -> None:
        """Remove the questions that were made of what was erased. Raises Corrupt, Unavailable."""
        for link in self._chains.links(collection):
            kept = _read(link)
            left = kept.without(register)
            if len(left.queries) < len(kept.queries.queries):
                self._chains.replace(link, write_kept_queries(left, log=kept.log))


def _read(link: Link) -> _Kept:
    try:
        return _Kept(*read_kept_queries(link.data))
    except (InvalidInput, DecodeError) as error:
        raise Corrupt(f"the query set {link.name} of {link.collection} cannot be read: {error}") from error
