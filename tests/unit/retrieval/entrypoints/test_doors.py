from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fovea.encoding.v1 import events_pb2 as encoding_events
from fovea.kernel.v1 import (
    embedding_pb2,
    envelope_pb2,
    region_pb2,
)
from fovea.retrieval.v1 import retrieval_pb2 as pb
from services.kernel.errors import InvalidInput, Unavailable
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Box, Embedding, Region, RegionEmbeddings, RegionOrigin
from services.retrieval.entrypoints.handlers import OnRegionsEncoded
from services.retrieval.usecases import (
    Recall,
)
from services.runtime.codec.exemplar import write_region_embeddings
from services.runtime.codec.region import write_region
from tests.fakes.exemplars import BIRDS, described, embedding, encoded
from tests.fakes.memory import InMemoryMemory
from tests.unit.retrieval.entrypoints.asking import KEY, OPTIONS, REGIONS


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
