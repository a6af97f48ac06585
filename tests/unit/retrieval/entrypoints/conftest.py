"""A memory of three birds behind a real gRPC server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fovea.retrieval.v1 import retrieval_pb2_grpc
from services.kernel.vocabulary import SpaceVote
from services.retrieval.entrypoints.servicer import RetrievalServicer, UseCases
from services.retrieval.usecases import (
    AuditMemory,
    CompareSpaces,
    CountSpaces,
    ExportExemplars,
    ListExemplars,
    ListLabels,
    MineNegatives,
    Recall,
    Voting,
)
from services.runtime.grpc_server import Servicer
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.memory import InMemoryMemory, RecordingMonitor
from tests.fakes.serving import served


@pytest.fixture
def memory() -> InMemoryMemory:
    memory = InMemoryMemory()
    for name, label, place, vector in (
        ("r1", "robin", "wood", embedding(1, 9)),
        ("r2", "robin", "wood", embedding(2, 9)),
        ("w1", "wren", "wood", embedding(9, 1)),
        ("t1", "tit", "hedge", embedding(1, 1)),
    ):
        memory.remember(BIRDS, encoded(name, label, [vector], {"place": place}))
    return memory


@pytest.fixture
def recall(memory: InMemoryMemory) -> Recall:
    votes = tuple(
        SpaceVote(space, weight=1.0, temperature=0.07, reference=0.5) for space in ("visual", "name")
    )
    return Recall(memory, voting=Voting(votes), monitor=RecordingMonitor(), version="1.2", clock=lambda: 1.0)


@pytest.fixture
def stub(memory: InMemoryMemory, recall: Recall) -> Iterator[Any]:
    usecases = UseCases(
        recall,
        list_exemplars=ListExemplars(memory),
        export_exemplars=ExportExemplars(memory),
        list_labels=ListLabels(memory),
        mine_negatives=MineNegatives(memory),
        audit_memory=AuditMemory(memory),
        count_spaces=CountSpaces(memory),
        compare_spaces=CompareSpaces(memory, neighbours=100),
    )
    add = retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server
    servicer = Servicer("fovea.retrieval.v1.RetrievalService", add, RetrievalServicer(usecases))
    with served(servicer) as channel:
        yield retrieval_pb2_grpc.RetrievalServiceStub(channel)
