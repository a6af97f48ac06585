"""A model on a server of others orders candidates; while it is away retrieval's order stands."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from fovea.kernel.v1 import ranking_pb2
from fovea.kernel.v1.envelope_pb2 import RecognitionOptions
from fovea.kernel.v1.recognition_pb2 import Recognition
from services.ranking.adapters.breaker import FAILURES
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.scrape import Scrape
from tests.e2e.waiting import eventually
from tests.fakes.openai_behaviours import late
from tests.fakes.openai_server import MODEL, OpenAiServer, serving

KEY = "sk-of-the-test-0123456789"
ALWAYS = RecognitionOptions(size=3, trust_threshold=1.0, unknown_threshold=1.0)


def test_a_server_orders_candidates_goes_away_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "fovea_remote_ranker_key").write_text(KEY)
    fake = OpenAiServer(key=KEY)
    with ExitStack() as stack:
        serve = stack.enter_context(ExitStack())
        serve.enter_context(serving(fake))
        port = urlsplit(fake.url).port or 0
        settings = {
            "FOVEA_REMOTE_RANKER_URL": fake.url,
            "FOVEA_REMOTE_RANKER_MODEL": MODEL,
            "FOVEA_SECRETS_FOLDER": str(tmp_path / "secrets"),
            "FOVEA_RANKING_BUDGET_S": "30",
        }
        program = stack.enter_context(Program("services.allinone", tmp_path / "allinone", settings))
        calls = stack.enter_context(Calls(program.target, collection="remote"))
        calls.create_collection()
        calls.remember([(label, png(label, seed=seed)) for label in COLOURS for seed in range(3)])

        served = [calls.recognize(png(label, seed=40), options=ALWAYS) for label in COLOURS]
        serve.close()
        alone = calls.recognize(png("fern", seed=41), options=ALWAYS)
        stack.enter_context(serving(fake, port=port))
        again = calls.recognize(png("fern", seed=42), options=ALWAYS)
        log = program.log_file.read_text()

    for label, record in zip(COLOURS, served, strict=True):
        ranking = record.regions[0].ranking
        assert ranking.status == ranking_pb2.RANKING_STATUS_RANKED, ranking.rung
        assert ranking.judgement.template == "choice@1+plain"
        assert list(ranking.judgement.models) == [f"{MODEL}@fp_1"]
        assert ranking.labels[0].label == label
    assert alone.regions[0].ranking.status == ranking_pb2.RANKING_STATUS_DEGRADED
    assert alone.regions[0].ranking.rung == "ranker_unavailable"
    assert again.regions[0].ranking.status == ranking_pb2.RANKING_STATUS_RANKED
    assert KEY not in log + "".join(map(str, (*served, alone, again)))


def test_a_server_that_never_answers_costs_a_few_callers_their_time_and_the_others_nothing(
    tmp_path: Path,
) -> None:
    fake = OpenAiServer()
    settings = {"FOVEA_REMOTE_RANKER_MODEL": MODEL, "FOVEA_RANKING_BUDGET_S": "1"}
    with ExitStack() as stack:
        stack.enter_context(serving(fake))
        settings["FOVEA_REMOTE_RANKER_URL"] = fake.url
        program = stack.enter_context(Program("services.allinone", tmp_path, settings))
        calls = stack.enter_context(Calls(program.target, collection="remote"))
        calls.create_collection()
        calls.remember([(label, png(label, seed=seed)) for label in COLOURS for seed in range(3)])

        fake.behaviours = [late(60.0)] * FAILURES
        in_vain = [calls.recognize(png("fern", seed=seed), options=ALWAYS) for seed in range(FAILURES)]
        asked = len(fake.headers)
        left_alone = calls.recognize(png("fern", seed=50), options=ALWAYS)
        asked_then, shown = len(fake.headers), Scrape(program).value("fovea_rank_server_up")
        eventually(lambda: _ranked(calls.recognize(png("fern", seed=51), options=ALWAYS)) or None)

    assert [record.regions[0].ranking.rung for record in in_vain] == ["ranker_late"] * FAILURES
    assert left_alone.regions[0].ranking.rung == "ranker_unavailable"
    assert (asked_then, shown) == (asked, 0)


def _ranked(record: Recognition) -> bool:
    return record.regions[0].ranking.status == ranking_pb2.RANKING_STATUS_RANKED
