from __future__ import annotations

from collections.abc import Iterator

import pytest

from fovea.kernel.v1 import envelope_pb2, ranking_pb2, recognition_pb2, region_pb2
from fovea.ranking.v1 import ranking_pb2 as pb
from fovea.ranking.v1 import ranking_pb2_grpc
from fovea.retrieval.v1 import events_pb2 as retrieval_events
from services.kernel.errors import InvalidInput
from services.kernel.rankings import Candidates
from services.kernel.vocabulary import Box, Region, RegionOrigin
from services.ranking.domain.ordering import Thresholds
from services.ranking.entrypoints.handlers import OnCandidatesRetrieved
from services.ranking.entrypoints.servicer import RankingServicer
from services.ranking.usecases import Rank
from services.runtime.codec.candidates import write_candidates
from services.runtime.codec.recognition import read_ranking
from services.runtime.codec.region import write_image, write_region
from services.runtime.grpc_server import Servicer
from services.runtime.stream_workers import Workers
from tests.fakes import asking
from tests.fakes.asking import EASY, IMAGE, found
from tests.fakes.rankers import FakeRanker
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
    with served(_servicer(rank)) as channel:
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


def region_request(*found: Candidates) -> pb.RankRequest:
    asked = request(*found)
    asked.image.MergeFrom(write_image(IMAGE))
    return asked


def test_both_doors_ask_a_model_alike_and_write_the_same_record() -> None:
    open_ones = [found(0), found(1, labels=27), found(2, margin=EASY)]
    asked, happened = region_request(*open_ones), event(*open_ones)
    happened.envelope.image.MergeFrom(write_image(IMAGE))

    at_one = asking.rank(FakeRanker())
    with served(_servicer(at_one)) as channel:
        answer = ranking_pb2_grpc.RankingServiceStub(channel).Rank(asked, timeout=10.0)
    record = OnCandidatesRetrieved(asking.rank(FakeRanker()))(happened).recognition

    assert [each.ranking for each in record.regions] == list(answer.rankings)
    assert record.envelope.stages[-1] == answer.stage
    assert [each.status for each in answer.rankings] == [
        ranking_pb2.RANKING_STATUS_RANKED,
        ranking_pb2.RANKING_STATUS_RANKED,
        ranking_pb2.RANKING_STATUS_TRUSTED_RETRIEVAL,
    ]
    assert [each.rung for each in answer.rankings] == ["", "too_many_candidates", ""]
    assert read_ranking(answer.rankings[0]).judged is not None


def test_a_stream_of_images_is_answered_in_order_and_an_error_is_an_answer() -> None:
    bad = region_request(candidates(("robin", -1.0)))
    items = [region_request(found(labels=2 + i)) for i in range(3)]
    asked = [
        pb.RankStreamRequest(item_id=str(i), item=each) for i, each in enumerate([*items[:2], bad, items[2]])
    ]

    with served(_servicer(asking.rank(FakeRanker()))) as channel:
        answers = list(ranking_pb2_grpc.RankingServiceStub(channel).RankStream(iter(asked), timeout=10.0))

    assert [each.item_id for each in answers] == ["0", "1", "2", "3"]
    assert [each.WhichOneof("result") for each in answers] == ["ranked", "ranked", "failure", "ranked"]
    assert answers[2].failure.field == "candidates[0].candidates[0].score"
    ranked = [each.ranked.rankings[0] for each in answers if each.HasField("ranked")]
    assert [len(each.labels) for each in ranked] == [2, 3, 4]


def test_candidates_without_any_region_stay_as_they_are_with_the_reason() -> None:
    asked = region_request(found(0))
    del asked.regions[:]

    with served(_servicer(asking.rank(FakeRanker()))) as channel:
        answer = ranking_pb2_grpc.RankingServiceStub(channel).Rank(asked, timeout=10.0)

    assert [each.rung for each in answer.rankings] == ["no_region"]


def _servicer(rank: Rank) -> Servicer:
    add = ranking_pb2_grpc.add_RankingServiceServicer_to_server
    servicer = RankingServicer(rank, Workers(threads=2, item_timeout_s=5.0))
    return Servicer("fovea.ranking.v1.RankingService", add, servicer)
