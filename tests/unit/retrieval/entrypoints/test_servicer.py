"""Looking at a memory over a real gRPC server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fovea.kernel.v1 import (
    audit_pb2,
    candidates_pb2,
    migration_pb2,
)
from fovea.retrieval.v1 import retrieval_pb2 as pb
from services.kernel.errors import InvalidInput
from services.runtime.codec.exemplar import read_encoded_exemplar
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.memory import InMemoryMemory
from tests.unit.retrieval.entrypoints.asking import KEY, WOOD


def test_exemplars_are_listed_page_by_page(stub: Any) -> None:
    first = stub.ListExemplars(pb.ListExemplarsRequest(collection=KEY, page_size=3), timeout=10.0)
    second = stub.ListExemplars(
        pb.ListExemplarsRequest(collection=KEY, page_size=3, page_token=first.next_page_token), timeout=10.0
    )

    assert [each.exemplar_id for each in (*first.exemplars, *second.exemplars)] == ["r1", "r2", "t1", "w1"]
    assert (second.next_page_token, second.memory_version) == ("", "4")


def test_a_listing_takes_label_and_filter(stub: Any) -> None:
    message = pb.ListExemplarsRequest(collection=KEY, label="robin", filter=[WOOD])

    assert [each.exemplar_id for each in stub.ListExemplars(message, timeout=10.0).exemplars] == ["r1", "r2"]


def test_an_export_gives_back_what_was_taught(stub: Any, memory: InMemoryMemory) -> None:
    exported = list(stub.ExportExemplars(pb.ExportExemplarsRequest(collection=KEY), timeout=10.0))

    read = [read_encoded_exemplar(each.exemplar, field="exemplar") for each in exported]
    taught = list(memory.view(BIRDS).encoded())
    assert [each.exemplar for each in read] == [each.exemplar for each in taught]
    for one, other in zip(read, taught, strict=True):
        np.testing.assert_array_equal(one.embeddings[0].vector, other.embeddings[0].vector)


def test_labels_are_counted(stub: Any) -> None:
    counts = stub.ListLabels(pb.ListLabelsRequest(collection=KEY), timeout=10.0)

    assert [(each.label, each.exemplars) for each in counts.labels] == [("robin", 2), ("tit", 1), ("wren", 1)]
    assert counts.memory_version == "4"


def test_hard_negatives_are_never_of_the_exemplars_own_label(stub: Any) -> None:
    mined = list(stub.MineNegatives(pb.MineNegativesRequest(collection=KEY), timeout=10.0))

    assert [each.exemplar_id for each in mined] == ["r1", "r2", "t1", "w1"]
    assert [sorted(negative.label for negative in each.negatives) for each in mined] == [
        ["tit", "wren"],
        ["tit", "wren"],
        ["robin", "wren"],
        ["robin", "tit"],
    ]
    assert all(each.label not in [negative.label for negative in each.negatives] for each in mined)


def test_an_audit_ends_with_labels_and_a_summary(stub: Any) -> None:
    policy = audit_pb2.AuditPolicy(least=2)
    told = [
        each.entry
        for each in stub.AuditMemory(pb.AuditMemoryRequest(collection=KEY, policy=policy), timeout=10.0)
    ]

    assert [entry.WhichOneof("entry") for entry in told[-4:]] == ["coverage"] * 3 + ["summary"]
    summary = told[-1].summary
    assert (summary.exemplars, summary.labels, summary.asked, summary.thin_labels) == (4, 3, 4, 2)
    assert summary.memory_version == "4"
    assert [each.candidates for each in summary.recall] == [1, 5, 10]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("MineNegatives", pb.MineNegativesRequest(collection=KEY, count=5, among=2)),
        ("AuditMemory", pb.AuditMemoryRequest(collection=KEY, policy=audit_pb2.AuditPolicy(agreement=2))),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(stub: Any, method: str, message: Any) -> None:
    with pytest.raises(InvalidInput):
        list(getattr(stub, method)(message, timeout=10.0))


def test_exemplars_are_exported_by_the_spaces_that_they_are_in(stub: Any, memory: InMemoryMemory) -> None:
    memory.remember(BIRDS, encoded("both", "wren", [embedding(1, 0), embedding(0, 1, space="other")]))

    def exported(**wanted: Any) -> list[str]:
        answers = stub.ExportExemplars(pb.ExportExemplarsRequest(collection=KEY, **wanted), timeout=10.0)
        return [each.exemplar.exemplar.exemplar_id for each in answers]

    assert exported(having=["visual", "other"]) == ["both"]
    assert exported(having=["visual"], lacking=["other"]) == ["r1", "r2", "t1", "w1"]
    assert exported(lacking=["visual"]) == []
    assert exported(having=["visual"], lacking=["other"], after_exemplar_id="r2") == ["t1", "w1"]


def test_exemplars_are_counted_by_the_spaces_that_they_are_in(stub: Any, memory: InMemoryMemory) -> None:
    memory.remember(BIRDS, encoded("both", "wren", [embedding(1, 0), embedding(0, 1, space="other")]))

    answer = stub.CountSpaces(pb.CountSpacesRequest(collection=KEY), timeout=10.0)

    assert [([*each.spaces], each.exemplars) for each in answer.counts] == [
        (["other", "visual"], 1),
        (["visual"], 4),
    ]
    assert answer.memory_version == "5"


def test_spaces_are_compared_as_the_policy_asks(stub: Any, memory: InMemoryMemory) -> None:
    for name, label, vector in (("a", "wren", (9, 1)), ("b", "wren", (8, 1)), ("c", "tit", (1, 9))):
        both = [embedding(*vector), embedding(*vector, space="other")]
        memory.remember(BIRDS, encoded(name, label, both))
    before = candidates_pb2.SpaceVote(space="visual", weight=1, temperature=0.1, reference=0.4)
    policy = migration_pb2.ComparisonPolicy(sample=1, candidates=2, margin=0.9)

    report = stub.CompareSpaces(
        pb.CompareSpacesRequest(collection=KEY, before=before, after_space="other", policy=policy),
        timeout=10.0,
    ).report

    assert (report.asked, report.labels, report.candidates, report.margin) == (1, 1, 2, 0.9)
    assert (report.accuracy.before, report.accuracy.after) == (1, 1)
    assert report.vote.space == "other"
    assert report.passes


def test_a_comparison_that_cannot_be_made_is_refused(stub: Any) -> None:
    before = candidates_pb2.SpaceVote(space="visual", weight=1, temperature=0.1, reference=0.4)
    same = pb.CompareSpacesRequest(collection=KEY, before=before, after_space="visual")
    odd = pb.CompareSpacesRequest(collection=KEY, before=before, after_space="other")
    odd.policy.margin = 2
    for request_ in (same, odd):
        with pytest.raises(InvalidInput):
            stub.CompareSpaces(request_, timeout=10.0)
