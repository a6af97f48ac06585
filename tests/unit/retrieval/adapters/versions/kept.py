"""Memories whose versions are kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.kernel.vocabulary import EncodedExemplar
from services.retrieval.adapters.memory.holders import SegmentView
from services.retrieval.adapters.memory.parameters import Parameters
from services.retrieval.domain import Scope
from services.runtime.object_store.ports import ObjectStore
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.folders import IN_MEMORY
from tests.fakes.object_store import InMemoryStore
from tests.fakes.replica import SMALL
from tests.fakes.shelves import ShelvedReplica

ALL = Scope()
LAZY = Parameters()  # merges nothing as small as what is taught here


def bird(name: str, label: str = "robin", turn: float = 1.0) -> EncodedExemplar:
    return encoded(name, label, [embedding(turn, 1, *range(14))], {"turn": float(turn)})


@contextmanager
def replica(store: ObjectStore, parameters: Parameters = SMALL) -> Iterator[ShelvedReplica]:
    folder = tempfile.mkdtemp(dir=IN_MEMORY)
    try:
        yield ShelvedReplica(Path(folder), store, parameters)
    finally:
        shutil.rmtree(folder)


def keep(one: ShelvedReplica, name: str) -> None:
    one.shelf.versions.keep(BIRDS, name=name, description="")


def segments_of(one: ShelvedReplica) -> list[SegmentView]:
    return [view for each in one.index._collections.values() for view in each.segments]


def holding(store: InMemoryStore, text: str) -> list[str]:
    """Return the objects that hold a text, but for the register, which has to."""
    found = [entry.key for entry in store.list("memory/") if text.encode() in store.get(entry.key)]
    return [key for key in found if not key.startswith("memory/erased/")]
