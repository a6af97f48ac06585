"""A replica's memory with what is kept of it under names, without a log: tests write to it themselves."""

from __future__ import annotations

from pathlib import Path

from services.kernel.vocabulary import CollectionKey, EncodedExemplar
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.parameters import Parameters
from services.retrieval.adapters.versions import Shelf
from services.retrieval.adapters.versions.housekeeping import Housekeeping
from services.retrieval.ports import MemoryView
from services.runtime import memory_version
from services.runtime.object_store.ports import ObjectStore
from tests.fakes.exemplars import BIRDS
from tests.fakes.replica import SMALL


class ShelvedReplica:
    """A `Memory`, and the shelf beside it."""

    def __init__(self, folder: Path, store: ObjectStore, parameters: Parameters = SMALL) -> None:
        self.local = LocalMemory(folder)
        self.index = SegmentedIndex(self.local.segments, parameters)
        self.shelf = Shelf.of(store, self.index, self.local, log=lambda: "this log")
        self.housekeeping = Housekeeping(
            self.shelf.register,
            self.shelf.versions,
            self.shelf.query_sets,
            memory=self.index,
            images=store,
            collect=None,
        )
        self.offset = 0

    def write(self, exemplar_id: str, encoded: EncodedExemplar | None, key: CollectionKey = BIRDS) -> str:
        self.offset += 1
        self.index.apply([Change(key, exemplar_id, encoded)], {0: self.offset})
        return memory_version.encode({0: self.offset})

    def remember(self, encoded: EncodedExemplar, key: CollectionKey = BIRDS) -> str:
        return self.write(encoded.exemplar.exemplar_id, encoded, key)

    def erase(self, *exemplar_ids: str) -> None:
        """Do what the gateway does: mark, forget, mark."""
        self.shelf.register.mark(BIRDS, exemplar_ids, "")
        for exemplar_id in exemplar_ids:
            self.write(exemplar_id, None)
        self.shelf.register.mark(BIRDS, exemplar_ids, memory_version.encode({0: self.offset}))

    def view(self, collection: CollectionKey, *, at_least: str = "") -> MemoryView:
        assert not at_least
        return self.index.view(collection)

    def settle(self) -> None:
        """Write the memory to disk, and do all work that is due."""
        self.index.flush()
        while self.index.maintain():
            pass

    def bytes_of(self, text: str) -> list[Path]:
        """Return the files on the replica's disk that hold a text."""
        return [path for path in self.local.segments.rglob("*.bin") if text.encode() in path.read_bytes()]


def labels(view: MemoryView) -> dict[str, str]:
    """Return the label of each exemplar."""
    return {each.exemplar_id: each.label for each in view.exemplars()}
