from __future__ import annotations

from collections.abc import Iterator

import pytest

from fovea.kernel.v1 import envelope_pb2, recognition_pb2, region_pb2
from fovea.ranking.v1 import ranking_pb2 as pb
from fovea.ranking.v1 import ranking_pb2_grpc
from fovea.retrieval.v1 import events_pb2 as retrieval_events
from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import Box, Candidates, Region, RegionOrigin
from services.ranking.domain.ordering import Thresholds
from services.ranking.entrypoints.handlers import OnCandidatesRetrieved
from services.ranking.entrypoints.servicer import RankingServicer
from services.ranking.usecases import Rank
from services.runtime.codec.candidates import write_candidates
from services.runtime.codec.region import write_region
from services.runtime.grpc_server import Servicer
from services.runtime.stream_workers import Workers
from tests.fakes.ranking import RecordingMonitor, candidates
from tests.fakes.serving import served

NOW_S = 1_700_000_000.25
FOUND = (
    candidates(("robin", 0.75), ("wren", 0.25), margin=0.5, unknown=0.125, region_id="0"),
    candidates(("robin", 1.0), margin=1.0, unknown=0.25, region_id="1"),
    candidates(unknown=1.0, region_id="2"),
)
OPTIONS = envelope_pb2.RecognitionOptions(trust_threshold=0.9, unknown_threshold=0.5)


@pytest.fixture
def rank() -> Rank:
    return Rank(
        thresholds=Thresholds(trust=0.1, unknown=0.1, level=0.1),
        monitor=RecordingMonitor(),
        version="1.2",
        clock=lambda: 1.0,
    )


@pytest.fixture
def stub(rank: Rank) -> Iterator[ranking_pb2_grpc.RankingServiceStub]:
    add = ranking_pb2_grpc.add_RankingServiceServicer_to_server
    servicer = RankingServicer(rank, Workers(threads=2, item_timeout_s=5.0))
    with served(Servicer("fovea.ranking.v1.RankingService", add, servicer)) as channel:
        yield ranking_pb2_grpc.RankingServiceStub(channel)


def regions(count: int) -> list[region_pb2.Region]:
    return [write_region(Region(str(i), Box(0, 0, 4, 3), RegionOrigin.CALLER)) for i in range(count)]


def request(*found: Candidates) -> pb.RankRequest:
    return pb.RankRequest(
        regions=regions(len(found)), candidates=map(write_candidates, found), options=OPTIONS
    )


def event(*found: Candidates) -> retrieval_events.CandidatesRetrieved:
    envelope = envelope_pb2.Envelope(
        collection=envelope_pb2.CollectionKey(tenant="acme", collection="birds"),
        recognition_id="r1",
        options=OPTIONS,
        stages=[envelope_pb2.Stage(name="retrieval", version="1.1", memory_version="v1.0-7")],
        trace_id="t",
    )
    return retrieval_events.CandidatesRetrieved(
        envelope=envelope, regions=regions(len(found)), candidates=map(write_candidates, found)
    )


def test_both_doors_give_the_same_answer(stub: ranking_pb2_grpc.RankingServiceStub, rank: Rank) -> None:
    answer = stub.Rank(request(*FOUND), timeout=10.0)
    record = OnCandidatesRetrieved(rank)(event(*FOUND)).recognition

    assert len(answer.rankings) == 3
    assert [each.ranking for each in record.regions] == list(answer.rankings)
    assert record.envelope.stages[-1] == answer.stage


def test_the_record_is_complete(rank: Rank) -> None:
    asked = event(*FOUND)

    record = OnCandidatesRetrieved(rank, now=lambda: NOW_S)(asked).recognition

    assert record.state == recognition_pb2.RECOGNITION_STATE_COMPLETED
    assert [each.region for each in record.regions] == list(asked.regions)
    assert [each.candidates for each in record.regions] == list(asked.candidates)
    assert [each.ranking.region_id for each in record.regions] == ["0", "1", "2"]
    assert (record.ended_at.seconds, record.ended_at.nanos) == (1_700_000_000, 250_000_000)
    assert not record.HasField("failure")


def test_the_envelope_goes_on_with_one_more_stage(rank: Rank) -> None:
    asked = event(*FOUND)

    envelope = OnCandidatesRetrieved(rank)(asked).recognition.envelope

    assert [each.name for each in envelope.stages] == ["retrieval", "ranking"]
    assert envelope.stages[0] == asked.envelope.stages[0]
    assert (envelope.recognition_id, envelope.trace_id) == ("r1", "t")
    assert envelope.options == asked.envelope.options


def test_the_same_event_gives_the_same_record_again(rank: Rank) -> None:
    handler = OnCandidatesRetrieved(rank, now=lambda: NOW_S)

    assert handler(event(*FOUND)) == handler(event(*FOUND))


def test_a_bad_request_is_refused_with_its_field(stub: ranking_pb2_grpc.RankingServiceStub) -> None:
    with pytest.raises(InvalidInput) as refused:
        stub.Rank(request(candidates(("robin", -1.0))), timeout=10.0)

    assert refused.value.field == "candidates[0].candidates[0].score"


def test_candidates_of_other_regions_are_refused_at_both_doors(
    stub: ranking_pb2_grpc.RankingServiceStub, rank: Rank
) -> None:
    asked, happened = request(*FOUND), event(*FOUND)
    del asked.regions[1]
    del happened.regions[1]

    with pytest.raises(InvalidInput) as refused:
        stub.Rank(asked, timeout=10.0)
    with pytest.raises(InvalidInput, match="other regions"):
        OnCandidatesRetrieved(rank)(happened)

    assert (refused.value.field, refused.value.reason) == ("candidates", "REGIONS_MISMATCH")
