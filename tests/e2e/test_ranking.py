"""What ships orders candidates, through both doors: by their pictures, and with the language model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.json_format import MessageToDict

from fovea.kernel.v1 import ranking_pb2
from fovea.kernel.v1.envelope_pb2 import RecognitionOptions
from fovea.kernel.v1.recognition_pb2 import Recognition
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.scrape import Scrape
from tests.e2e.waiting import eventually, unless_missing

MODELS = {"": (), "both": ("fovea-projector", "fovea-ranker")}
ALWAYS = RecognitionOptions(size=3, trust_threshold=1.0, unknown_threshold=1.0)


@pytest.fixture(scope="module", params=["", "both"], ids=["as it ships", "letters and names"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, mode: str) -> Iterator[Program]:
    settings = {"FOVEA_RANKING_MODEL": "fovea-ranker", "FOVEA_RANKING_BUDGET_S": "60"}
    if mode:
        settings["FOVEA_RANKING_MODE"] = mode
    with Program("services.allinone", tmp_path_factory.mktemp("ranking"), settings) as started:
        yield started


@pytest.fixture(scope="module")
def calls(program: Program) -> Iterator[Calls]:
    with Calls(program.target, collection="ranked") as opened:
        opened.create_collection()
        opened.remember([(label, png(label, seed=seed)) for label in COLOURS for seed in range(8)])
        yield opened


def _ranking(record: Recognition) -> ranking_pb2.Ranking:
    return record.regions[0].ranking


def _comparable(ranking: ranking_pb2.Ranking) -> dict[str, object]:
    fields = MessageToDict(ranking)
    for name in ("durationS", "cached"):
        fields["judgement"].pop(name, None)
    return dict(fields)


def test_both_doors_ask_the_model_and_write_down_how(program: Program, calls: Calls, mode: str) -> None:
    image = png("poppy", seed=31)

    waited = calls.recognize(image, options=ALWAYS)
    (answer,) = calls.submit({"streamed": image}, options=ALWAYS)
    assert answer.HasField("receipt"), answer
    streamed = eventually(lambda: unless_missing(lambda: calls.recognition("streamed")))

    ranking = _ranking(waited)
    assert ranking.status == ranking_pb2.RANKING_STATUS_RANKED, ranking.rung
    assert _comparable(ranking) == _comparable(_ranking(streamed))
    assert _ranking(streamed).judgement.cached
    asked = ["letters", "names", "pairs", "words"] if mode else ["pairs", "words"]
    assert [each.source for each in ranking.judgement.evidence] == ["retrieval", *asked]
    assert sorted(ranking.judgement.readings[0].order) == [0, 1, 2]
    models = {model.partition("@")[0] for model in waited.envelope.stages[-1].models}
    assert models == {"fovea-global", "fovea-local", "fovea-pairs", "fovea-text", *MODELS[mode]}
    assert len(ranking.judgement.prompt_digest) == (64 if mode else 0)
    total = sum(each.probability for each in ranking.labels) + ranking.probability_unknown
    assert total == pytest.approx(1)
    assert Scrape(program).value("fovea_rank_judged_total", parsed="read") == 2


def test_what_retrieval_is_sure_of_is_not_asked_about(calls: Calls) -> None:
    trusting = RecognitionOptions(trust_threshold=0.0, unknown_threshold=1.0)

    ranking = _ranking(calls.recognize(png("fern", seed=32), options=trusting))

    assert ranking.status == ranking_pb2.RANKING_STATUS_TRUSTED_RETRIEVAL
    assert not ranking.HasField("judgement")


def test_a_collection_calibrates_itself_and_its_records_say_so(calls: Calls) -> None:
    answers = calls.calibrate(error_rate=0.1)
    record = calls.recognize(png("cornflower", seed=33))

    found = answers[-1].calibration
    assert found.exemplars == 24
    assert found.refused <= 0.1
    assert found.memory_version
    gates = {gate.name: gate for gate in _ranking(record).gates}
    assert gates["unknown"].calibrated
    assert gates["unknown"].threshold == found.unknown_threshold
    assert gates["trust"].calibrated == found.HasField("trust_threshold")
