"""Every memory there is, to be written to."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from services.kernel.vocabulary import CollectionKey, EncodedExemplar
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.domain import Scope
from services.retrieval.ports import Found, Memory, MemoryView
from services.runtime import memory_version
from services.runtime.event_log.ports import TopicPartition
from tests.fakes.exemplars import embedding
from tests.fakes.folders import IN_MEMORY
from tests.fakes.memory import InMemoryMemory

ALL = Scope()
NORTH = embedding(0, 1)
EAST = embedding(1, 0)


class Writable(Memory, Protocol):
    def remember(self, collection: CollectionKey, encoded: EncodedExemplar) -> str: ...

    def forget(self, collection: CollectionKey, exemplar_id: str) -> str: ...


class WritableSegments:
    """The segments, written to as the follower of the log does; every few writes the keeper has its turn."""

    def __init__(self, turn: int = 7) -> None:
        folder = tempfile.mkdtemp(prefix="memory-", dir=IN_MEMORY)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.index = SegmentedIndex(Path(folder))
        self._memory = LogMemory(self.index, self._wait, most_wait_s=0.01)
        self._turn = turn
        self._written = 0

    def remember(self, collection: CollectionKey, encoded: EncodedExemplar) -> str:
        return self._write(Change(collection, encoded.exemplar.exemplar_id, encoded))

    def forget(self, collection: CollectionKey, exemplar_id: str) -> str:
        return self._write(Change(collection, exemplar_id, None))

    def view(self, collection: CollectionKey, *, at_least: str = "") -> MemoryView:
        return self._memory.view(collection, at_least=at_least)

    def _write(self, change: Change) -> str:
        self._written += 1
        self.index.apply([change], {0: self._written})
        if self._written % self._turn == 0:
            self.index.flush()
            self.index.maintain()
        return memory_version.encode({0: self._written})

    def _wait(self, offsets: Mapping[TopicPartition, int], _: float) -> bool:
        return all(self._written >= offset for offset in offsets.values())


@contextmanager
def fake() -> Iterator[Writable]:
    yield InMemoryMemory()


@contextmanager
def in_the_buffer() -> Iterator[Writable]:
    yield WritableSegments(turn=1_000_000)


@contextmanager
def in_segments() -> Iterator[Writable]:
    yield WritableSegments()


@contextmanager
def in_many_segments() -> Iterator[Writable]:
    yield WritableSegments(turn=1)


@contextmanager
def in_milvus() -> Iterator[Writable]:
    from tests.fakes.milvus import WritableMilvus  # noqa: PLC0415  (slow, and for integration alone)

    memory = WritableMilvus()
    try:
        yield memory
    finally:
        memory.close()


MEMORIES: dict[str, Callable[[], AbstractContextManager[Writable]]] = {
    "fake": fake,
    "buffer": in_the_buffer,
    "segments": in_segments,
    "many segments": in_many_segments,
    "milvus": in_milvus,
}
MILVUS = pytest.param("milvus", marks=pytest.mark.integration)


def answers(found: Found) -> list[tuple[str, str, float]]:
    return [(hit.exemplar.exemplar_id, hit.exemplar.label, round(hit.similarity, 6)) for hit in found.hits]
