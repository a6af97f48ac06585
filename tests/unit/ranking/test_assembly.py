from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fovea.kernel.v1 import candidates_pb2, envelope_pb2, ranking_pb2, region_pb2
from fovea.ranking.v1 import ranking_pb2 as pb
from fovea.ranking.v1 import ranking_pb2_grpc
from services.encoding.settings import EncodingSettings
from services.kernel.errors import InvalidInput, NotFound, Unavailable
from services.ranking.assembly import assemble, open_ranker, open_ways
from services.ranking.domain.asking import Mode, Terms
from services.ranking.settings import RankingSettings
from services.runtime.assembly import Assembly
from services.runtime.metrics import Metrics
from tests.fakes.object_store import InMemoryStore
from tests.fakes.rankers import FakeRanker
from tests.fakes.serving import served

FOUND = candidates_pb2.Candidates(
    region_id="0",
    candidates=[candidates_pb2.Candidate(label="robin", score=1.0)],
    margin=0.5,
    unknown_score=0.25,
)


def assembled() -> Assembly:
    return assemble(RankingSettings(), InMemoryStore(), None, metrics=Metrics(), version="1.2")


@contextmanager
def ranking() -> Iterator[Any]:
    (servicer,) = assembled().servicers
    with served(servicer) as channel:
        yield ranking_pb2_grpc.RankingServiceStub(channel)


def status(stub: Any, options: envelope_pb2.RecognitionOptions | None = None) -> int:
    region = region_pb2.Region(region_id="0", box=region_pb2.Box(right=1, bottom=1))
    request = pb.RankRequest(regions=[region], candidates=[FOUND], options=options)
    answer = stub.Rank(request, timeout=10.0)
    assert answer.stage.version == "1.2"
    found: int = answer.rankings[0].status
    return found


def test_the_shipped_thresholds_apply_where_the_options_say_nothing() -> None:
    with ranking() as stub:
        assert status(stub) == ranking_pb2.RANKING_STATUS_DEGRADED


def test_the_options_win_over_the_shipped_thresholds() -> None:
    with ranking() as stub:
        trusting = envelope_pb2.RecognitionOptions(trust_threshold=0.5)
        doubting = envelope_pb2.RecognitionOptions(unknown_threshold=0.24)

        assert status(stub, trusting) == ranking_pb2.RANKING_STATUS_TRUSTED_RETRIEVAL
        assert status(stub, doubting) == ranking_pb2.RANKING_STATUS_UNKNOWN


def test_candidates_are_handled_as_events_too() -> None:
    (subscription,) = assembled().subscriptions

    assert (subscription.topic, subscription.group) == ("candidates.retrieved", "ranking")


def test_a_way_of_asking_that_the_model_does_not_know_is_refused_at_the_start() -> None:
    letters_alone = FakeRanker(on_terms=Terms(modes=(Mode.LETTERS,)))
    settings = RankingSettings(ranking_mode="names")

    with pytest.raises(InvalidInput, match="FOVEA_RANKING_MODE"):
        assemble(settings, InMemoryStore(), letters_alone, metrics=Metrics(), version="1")


def test_without_the_model_folder_there_is_no_ranker_unless_one_was_asked_for_by_name(tmp_path: Path) -> None:
    assert open_ranker(RankingSettings(model_folder=tmp_path)) is None
    assert open_ranker(RankingSettings(model_folder=tmp_path, ranking_model="none")) is None
    with pytest.raises(NotFound):
        open_ranker(RankingSettings(model_folder=tmp_path, ranking_model="other"))


def test_ranking_is_ready_without_its_model() -> None:
    away = FakeRanker(raises=Unavailable("down"))
    made = assemble(RankingSettings(), InMemoryStore(), away, metrics=Metrics(), version="1")

    assert not made.checks


def test_the_model_that_ships_reads_names_with_the_model_that_encoding_reads_texts_with() -> None:
    ways = open_ways(RankingSettings())

    assert ways is not None
    assert ways.reading is not None
    assert ways.reading.name == EncodingSettings().text_model == "fovea-text"
    assert ways.reading.space == ways.sight.outputs["names"]
    assert "fovea-text" in ways.wanted.names & ways.wanted.exact
