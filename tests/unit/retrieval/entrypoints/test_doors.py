from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fovea.encoding.v1 import events_pb2 as encoding_events
from fovea.kernel.v1 import (
    audit_pb2,
    candidates_pb2,
    embedding_pb2,
    envelope_pb2,
    exemplar_pb2,
    migration_pb2,
    region_pb2,
)
from fovea.retrieval.v1 import retrieval_pb2 as pb
from fovea.retrieval.v1 import retrieval_pb2_grpc
from services.kernel.errors import InvalidInput, Unavailable
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Box, Embedding, Region, RegionEmbeddings, RegionOrigin, SpaceVote
from services.retrieval.entrypoints.handlers import OnRegionsEncoded
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
from services.runtime.codec.exemplar import read_encoded_exemplar, write_region_embeddings
from services.runtime.codec.region import write_region
from services.runtime.grpc_server import Servicer
from tests.fakes.exemplars import BIRDS, described, embedding, encoded
from tests.fakes.memory import InMemoryMemory, RecordingMonitor
from tests.fakes.serving import served

KEY = envelope_pb2.CollectionKey(tenant="acme", collection="birds")
REGIONS = (
    RegionEmbeddings("0", (embedding(0, 1), embedding(1, 0, 0, space="name"))),
    RegionEmbeddings("1", (embedding(1, 0),)),
    RegionEmbeddings("2", ()),
)
WOOD = candidates_pb2.Condition(attribute="place", equals=exemplar_pb2.AttributeValue(text="wood"))
OPTIONS = envelope_pb2.RecognitionOptions(size=2, filter=[WOOD], exclude_exemplar_ids=["r2"])


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


def request(*regions: RegionEmbeddings) -> pb.RecallRequest:
    return pb.RecallRequest(collection=KEY, regions=map(write_region_embeddings, regions), options=OPTIONS)


def event(*regions: RegionEmbeddings) -> encoding_events.RegionsEncoded:
    envelope = envelope_pb2.Envelope(
        collection=KEY,
        recognition_id="r1",
        options=OPTIONS,
        stages=[envelope_pb2.Stage(name="encoding", version="1.1", models=["lite0@a"])],
        trace_id="t",
    )
    return encoding_events.RegionsEncoded(
        envelope=envelope,
        regions=[
            write_region(Region(each.region_id, Box(0, 0, 4, 3), RegionOrigin.CALLER)) for each in regions
        ],
        embeddings=map(write_region_embeddings, regions),
    )


def test_both_doors_say_how_candidates_look_and_which_part_of_a_picture_voted(
    stub: Any, recall: Recall, memory: InMemoryMemory
) -> None:
    part = Region("0", Box(1, 2, 3, 4), RegionOrigin.CALLER)
    whole = Region("0", Box(0, 0, 4, 4), RegionOrigin.WHOLE_IMAGE)
    for name, region in (("r3", part), ("r4", whole)):
        taught = encoded(name, "robin", [embedding(1, 8)], {"place": "wood"})
        memory.remember(BIRDS, replace(taught, exemplar=replace(taught.exemplar, region=region)))
    memory.remember(BIRDS, described("d1", "robin", "red breast", {"place": "wood"}))
    memory.remember(BIRDS, described("d2", "robin", "filtered out", {"place": "hedge"}))

    answer = stub.Recall(request(*REGIONS), timeout=10.0)
    retrieved = OnRegionsEncoded(recall)(event(*REGIONS))

    for found in (answer.regions[0], retrieved.candidates[0]):
        texts = {each.label: list(each.descriptions) for each in found.candidates}
        voted = found.candidates[0].neighbours
        assert texts == {"robin": ["red breast"], "wren": []}
        boxes = {each.exemplar_id: each.box for each in voted if each.HasField("box")}
        assert boxes == {"r3": region_pb2.Box(left=1, top=2, right=3, bottom=4)}
    assert list(answer.regions) == list(retrieved.candidates)


def test_both_doors_give_the_same_answer(stub: Any, recall: Recall) -> None:
    answer = stub.Recall(request(*REGIONS), timeout=10.0)
    retrieved = OnRegionsEncoded(recall)(event(*REGIONS))

    assert [[each.label for each in found.candidates] for found in answer.regions] == [
        ["robin", "wren"],
        ["wren", "robin"],
        [],
    ]
    assert list(retrieved.candidates) == list(answer.regions)
    assert retrieved.envelope.stages[-1] == answer.stage


def test_the_answer_shows_who_voted(stub: Any) -> None:
    found = stub.Recall(request(*REGIONS), timeout=10.0).regions[0].candidates[0]

    (neighbour,) = found.neighbours
    assert (neighbour.exemplar_id, neighbour.space) == ("r1", "visual")
    assert neighbour.image_key == "acme/birds/images/r1"


def test_the_event_goes_on_with_regions_and_envelope_and_one_more_stage(recall: Recall) -> None:
    happened = event(*REGIONS)

    retrieved = OnRegionsEncoded(recall)(happened)

    assert list(retrieved.regions) == list(happened.regions)
    assert [each.name for each in retrieved.envelope.stages] == ["encoding", "retrieval"]
    assert retrieved.envelope.stages[1].memory_version == "4"
    assert (retrieved.envelope.recognition_id, retrieved.envelope.trace_id) == ("r1", "t")


def test_the_same_event_gives_the_same_candidates_again(recall: Recall) -> None:
    handler = OnRegionsEncoded(recall)

    assert handler(event(*REGIONS)) == handler(event(*REGIONS))


@pytest.mark.parametrize("vector", [[np.nan, 0], [np.inf, 0], [0, 0], [1, 1]])
def test_an_embedding_that_is_no_unit_vector_is_refused_with_its_place(
    stub: Any, vector: list[float]
) -> None:
    bad = Embedding(np.array(vector, np.float32), "lite0@a", "visual")

    with pytest.raises(InvalidInput) as refused:
        stub.Recall(request(REGIONS[0], RegionEmbeddings("1", (bad,))), timeout=10.0)

    assert refused.value.field == "regions[1].embeddings[0].vector"


def test_two_embeddings_of_one_space_are_refused(stub: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        stub.Recall(request(RegionEmbeddings("0", (embedding(0, 1), embedding(1, 0)))), timeout=10.0)

    assert refused.value.field == "regions[0].embeddings"


def test_too_many_regions_are_refused(stub: Any) -> None:
    message = pb.RecallRequest(regions=[embedding_pb2.RegionEmbeddings()] * (LIMITS.regions_per_image + 1))

    with pytest.raises(InvalidInput) as refused:
        stub.Recall(message, timeout=10.0)

    assert refused.value.field == "regions"


def test_an_event_whose_embeddings_belong_to_other_regions_is_refused(recall: Recall) -> None:
    happened = event(*REGIONS)
    del happened.regions[0]

    with pytest.raises(InvalidInput, match="other regions"):
        OnRegionsEncoded(recall)(happened)


def test_a_memory_that_is_behind_is_unavailable_at_every_method(stub: Any) -> None:
    options = envelope_pb2.RecognitionOptions(min_memory_version="5")

    for call in (
        lambda: stub.Recall(pb.RecallRequest(collection=KEY, options=options), timeout=10.0),
        lambda: stub.ListLabels(pb.ListLabelsRequest(collection=KEY, min_memory_version="5"), timeout=10.0),
        lambda: stub.ListExemplars(
            pb.ListExemplarsRequest(collection=KEY, min_memory_version="5"), timeout=10.0
        ),
        lambda: list(
            stub.ExportExemplars(
                pb.ExportExemplarsRequest(collection=KEY, min_memory_version="5"), timeout=10.0
            )
        ),
        lambda: list(
            stub.MineNegatives(pb.MineNegativesRequest(collection=KEY, min_memory_version="5"), timeout=10.0)
        ),
        lambda: list(
            stub.AuditMemory(pb.AuditMemoryRequest(collection=KEY, min_memory_version="5"), timeout=10.0)
        ),
    ):
        with pytest.raises(Unavailable) as refused:
            call()
        assert refused.value.reason == "MEMORY_BEHIND"


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
