"""Indexes that are written to, and what is asked of them."""

from __future__ import annotations

from services.kernel.vocabulary import EncodedExemplar
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.parameters import (
    BufferParameters,
    MergeParameters,
    Parameters,
)
from services.retrieval.adapters.memory.view import SegmentedView
from services.retrieval.domain import Scope
from tests.fakes.exemplars import BIRDS, embedding

ALL = Scope()
NORTH, EAST = embedding(0, 1), embedding(1, 0)
SMALL = Parameters(BufferParameters(rows=4), MergeParameters(most_rows=40, few_rows=2))


def settle(index: SegmentedIndex) -> None:
    while index.maintain():
        pass


def change(name: str, encoded_as: EncodedExemplar | None) -> Change:
    return Change(BIRDS, name, encoded_as)


def ids(view: SegmentedView) -> list[str]:
    return [each.exemplar_id for each in view.exemplars()]
