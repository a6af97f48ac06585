"""The ledger notices what it is there to notice: each of these is forged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fovea.kernel.v1 import failure_pb2
from fovea.kernel.v1.candidates_pb2 import Candidates
from fovea.kernel.v1.envelope_pb2 import CollectionKey, Envelope, Stage
from fovea.kernel.v1.ranking_pb2 import RankedLabel, Ranking
from fovea.kernel.v1.recognition_pb2 import (
    RECOGNITION_STATE_COMPLETED,
    RECOGNITION_STATE_FAILED,
    Recognition,
    RecognizedRegion,
)
from fovea.ranking.v1.events_pb2 import RecognitionCompleted
from services.runtime.dead_letters import Cause, DeadLetter
from services.runtime.event_log.ports import Position
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.events import EventWriter
from services.runtime.topics import TOPICS
from tests.chaos.ledger import Balance, Evidence, balance

NAMES = ("r0", "r1", "r2")


def record(name: str, *, label: str = "poppy", probability: float = 0.9, took_s: float = 0.1) -> Recognition:
    ranking = Ranking(labels=[RankedLabel(label=label, probability=probability)])
    region = RecognizedRegion(ranking=ranking, candidates=Candidates(region_id="whole"))
    envelope = Envelope(
        collection=CollectionKey(tenant="default", collection="birds"),
        recognition_id=name,
        submission_id="batch",
        stages=[Stage(name="ranking", version="1", duration_s=took_s)],
    )
    return Recognition(envelope=envelope, state=RECOGNITION_STATE_COMPLETED, regions=[region])


def failed(name: str) -> Recognition:
    failure = failure_pb2.Failure(status="INVALID_ARGUMENT", reason="IMAGE_DAMAGED")
    return Recognition(envelope=record(name).envelope, state=RECOGNITION_STATE_FAILED, failure=failure)


@pytest.fixture
def evidence() -> Evidence:
    found = Evidence()
    for name in NAMES:
        found.hear(name, record(name))
        found.hear(name, record(name))
        found.shown[name].append(record(name))
        found.announced[name] += [record(name), record(name, took_s=0.2)]
    return found


def drawn(evidence: Evidence) -> Balance:
    return balance(NAMES, evidence, {name: record("undisturbed", took_s=0.3) for name in NAMES})


def test_what_came_once_and_right_is_held_against_nobody(evidence: Evidence) -> None:
    found = drawn(evidence)

    assert (found.lost, found.doubled, found.dead, found.wrong) == (frozenset(),) * 4
    assert not found.text


@pytest.mark.parametrize("side", ["answers", "shown", "announced"])
def test_what_is_missing_from_one_side_is_lost(evidence: Evidence, side: str) -> None:
    getattr(evidence, side).pop("r1")

    assert drawn(evidence).lost == {"r1"}


def test_a_record_that_changes_is_doubled(evidence: Evidence) -> None:
    evidence.hear("r1", record("r1", took_s=0.2))

    assert drawn(evidence).doubled == {"r1"}


def test_what_a_watcher_is_shown_again_is_doubled(evidence: Evidence) -> None:
    evidence.shown["r2"].append(record("r2"))

    assert drawn(evidence).doubled == {"r2"}


def test_another_result_in_the_log_is_doubled(evidence: Evidence) -> None:
    evidence.announced["r0"].append(record("r0", label="fern"))

    assert drawn(evidence).doubled == {"r0"}


def test_a_record_that_was_never_announced_is_doubled(evidence: Evidence) -> None:
    evidence.announced["r0"] = [record("r0", took_s=0.5)]

    assert drawn(evidence).doubled == {"r0"}


def test_a_result_with_a_dead_letter_is_doubled_and_dead(evidence: Evidence) -> None:
    evidence.letters["r0"].append("regions.proposed: IMAGE_DAMAGED")

    found = drawn(evidence)

    assert found.doubled == found.dead == {"r0"}


def test_a_result_beside_the_dead_letter_of_three_deaths_is_contested(evidence: Evidence) -> None:
    evidence.letters["r0"].append("regions.proposed: KILLED_PROCESS")
    evidence.letters["r1"].append("regions.proposed: KILLED_PROCESS")
    evidence.announced["r1"].append(failed("r1"))

    found = drawn(evidence)

    assert found.contested == found.dead == {"r0", "r1"}
    assert not found.doubled


def test_a_watcher_who_was_shown_another_end_than_was_kept_saw_it_doubled(evidence: Evidence) -> None:
    evidence.letters["r1"].append("regions.proposed: KILLED_PROCESS")
    evidence.announced["r1"].append(failed("r1"))
    evidence.shown["r1"] = [failed("r1")]

    assert drawn(evidence).doubled == {"r1"}


def test_one_dead_letter_without_a_result_is_an_end(evidence: Evidence) -> None:
    evidence.answers["r0"] = evidence.shown["r0"] = evidence.announced["r0"] = [failed("r0")]
    evidence.letters["r0"].append("regions.proposed: IMAGE_DAMAGED")

    found = drawn(evidence)

    assert found.dead == {"r0"}
    assert not found.lost | found.doubled | found.wrong
    assert "IMAGE_DAMAGED" in found.text


@pytest.mark.parametrize("other", [{"label": "fern"}, {"probability": 0.8999}])
def test_another_result_than_undisturbed_is_wrong(evidence: Evidence, other: dict[str, str]) -> None:
    strange = record("r1", **other)  # type: ignore[arg-type]
    evidence.answers["r1"] = evidence.shown["r1"] = evidence.announced["r1"] = [strange]

    assert drawn(evidence).wrong == {"r1"}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "events.sqlite", TOPICS.settings())
    yield opened
    opened.close()


def test_the_log_is_read_for_one_collection(log: SqliteLog) -> None:
    writer = EventWriter(TOPICS, producer="ranking/test")
    other = record("elsewhere")
    other.envelope.collection.collection = "fish"
    ended = [writer.record(RecognitionCompleted(recognition=each)) for each in (record("r0"), other)]
    cause = Cause("Conflict", "ODD", "it is odd", "", 1, "encoding", "1", 0.0, 0.0)
    origin = Position("regions.proposed", 0, 0)
    letter = DeadLetter(origin, ended[0].key, b"?", {"recognition-id": "r0"}, cause)
    log.publish([*ended, letter.to_record()])
    evidence = Evidence()

    evidence.read(log, "birds")

    assert dict(evidence.announced) == {"r0": [record("r0")]}
    assert dict(evidence.letters) == {"r0": ["regions.proposed: ODD"]}
    assert len(evidence.announced_s) == 1
