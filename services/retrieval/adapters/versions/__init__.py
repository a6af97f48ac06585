"""What is kept under names in the object store: states of memories, query sets, and what was erased."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.segment_store import SegmentStore
from services.retrieval.adapters.memory.snapshots import PREFIX
from services.retrieval.adapters.versions.chains import Chains
from services.retrieval.adapters.versions.query_sets import StoredQuerySets
from services.retrieval.adapters.versions.register import Register
from services.retrieval.adapters.versions.segments import VersionSegments
from services.retrieval.adapters.versions.stored import StoredVersions
from services.runtime.object_store.ports import ObjectStore


@dataclass(frozen=True)
class Shelf:
    """All of it, over one object store."""

    versions: StoredVersions
    query_sets: StoredQuerySets
    register: Register

    @classmethod
    def of(
        cls, store: ObjectStore, index: SegmentedIndex, local: LocalMemory, *, log: Callable[[], str]
    ) -> Shelf:
        """Return what is kept in a store, and of which memory more is kept there.

        Args:
            store: Where.
            index: The memory of this replica.
            local: Its disk.
            log: Gives the identity of the log that the memory is a view of.
        """
        register = Register(store, prefix=f"{PREFIX}/erased", log=log)
        versions = StoredVersions(
            Chains(store, prefix=f"{PREFIX}/versions", noun="version"),
            VersionSegments(SegmentStore(store, prefix=PREFIX), local),
            index,
            register,
            log=log,
        )
        query_sets = StoredQuerySets(
            Chains(store, prefix=f"{PREFIX}/queries", noun="query set"), register, log=log
        )
        return cls(versions, query_sets, register)
