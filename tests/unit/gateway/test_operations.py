"""Dead letters as operators see them, over a real log and a store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.adapters.dead_letters import LogDeadLetters
from services.gateway.domain.operations import Letter, LetterFilter, Replay, ReplayOutcome
from services.gateway.usecases.operations import GetDeadLetter, ListDeadLetters, ReplayDeadLetters
from services.kernel.errors import Conflict, InvalidInput, NotFound
from services.kernel.limits import LIMITS
from services.runtime.claim_check import StoredClaims
from services.runtime.dead_letters import Cause, DeadLetter
from services.runtime.event_log.ports import NewRecord, Position, Record
from services.runtime.event_log.reading import read_to_end
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.topics import TOPICS
from tests.fakes.object_store import InMemoryStore

TAUGHT, IMAGES = "exemplars.submitted", "images.submitted"
ACME = LetterFilter("acme")


class Bench:
    """The use cases, and a way to die."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self.store = InMemoryStore()
        self.claims = StoredClaims(self.store)
        self.letters = LogDeadLetters(log, self.store, self.claims, TOPICS)
        self.get = GetDeadLetter(self.letters)

    def die(
        self, name: str, *, topic: str = TAUGHT, at_s: float = 0.0, value: bytes = b"v", reason: str = "R"
    ) -> None:
        """Let an event of tenant acme become a dead letter."""
        tenant = name.partition("/")[0]
        headers = {"event-id": f"id of {name}", "tenant": tenant}
        record = self.claims.deposit(NewRecord(topic, name, value, headers))
        cause = Cause("InvalidInput", reason, "no", "image", 2, "encoding", "1", at_s, at_s)
        letter = DeadLetter(Position(topic, 1, 7), name, record.value, record.headers, cause)
        self.log.publish([letter.to_record()])

    def listed(self, wanted: LetterFilter = ACME, *, limit: int = 0) -> list[str]:
        return [letter.key for letter in ListDeadLetters(self.letters)(wanted, limit=limit)]

    def replay(self, wanted: LetterFilter, *, dry_run: bool = False, again: bool = False) -> list[Replay]:
        replay = ReplayDeadLetters(self.letters)
        return list(replay(wanted, limit=0, dry_run=dry_run, again=again))

    def published(self, topic: str = TAUGHT) -> list[Record]:
        return list(read_to_end(self.log, [topic]))

    def only(self) -> Letter:
        (letter,) = ListDeadLetters(self.letters)(ACME, limit=0)
        return letter


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    log = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    yield Bench(log)
    log.close()


def test_the_newest_come_first_and_only_the_tenant_s_own(bench: Bench) -> None:
    bench.die("acme/birds/old", at_s=1.0)
    bench.die("acme/birds/new", at_s=3.0, topic=IMAGES)
    bench.die("acme/birds/mid", at_s=2.0, reason="OTHER")
    bench.die("other/birds/x", at_s=4.0)

    assert bench.listed() == ["acme/birds/new", "acme/birds/mid", "acme/birds/old"]
    assert bench.listed(limit=1) == ["acme/birds/new"]
    assert bench.listed(LetterFilter("acme", topic=TAUGHT)) == ["acme/birds/mid", "acme/birds/old"]
    assert bench.listed(LetterFilter("acme", reason="OTHER")) == ["acme/birds/mid"]


def test_a_topic_that_is_none_and_a_limit_that_is_too_large_are_refused(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.listed(LetterFilter("acme", topic="no.such"))
    with pytest.raises(InvalidInput):
        bench.listed(limit=LIMITS.page_size + 1)


def test_a_record_that_is_no_dead_letter_is_left_out(bench: Bench) -> None:
    bench.log.publish([NewRecord(f"{TAUGHT}.dead", "acme/birds/x", b"", {})])

    assert bench.listed() == []


def test_one_letter_is_found_with_its_bytes_by_its_tenant_alone(bench: Bench) -> None:
    bench.die("acme/birds/x", value=b"payload")
    letter_id = bench.only().id

    letter, value = bench.get("acme", letter_id)
    assert (letter.key, value) == ("acme/birds/x", b"payload")
    assert (letter.failure.status, letter.failure.reason) == ("INVALID_ARGUMENT", "R")
    with pytest.raises(NotFound):
        bench.get("other", letter_id)


def test_a_replay_publishes_the_event_as_it_was(bench: Bench) -> None:
    bench.die("acme/birds/x", value=b"payload")

    (replay,) = bench.replay(LetterFilter("acme", topic=TAUGHT))

    assert replay.outcome is ReplayOutcome.REPLAYED
    (record,) = bench.published()
    assert (record.key, record.value) == ("acme/birds/x", b"payload")
    assert record.headers == {"event-id": "id of acme/birds/x", "tenant": "acme"}


def test_a_large_event_is_replayed_with_its_payload_renewed(bench: Bench) -> None:
    large = b"x" * (LIMITS.event_bytes + 1)
    bench.die("acme/birds/x", value=large)
    (before,) = bench.store.list("acme/payloads/")

    bench.replay(LetterFilter("acme", topic=TAUGHT))

    (record,) = bench.published()
    assert record.value == b""
    assert bench.claims.redeem(record).value == large
    (after,) = bench.store.list("acme/payloads/")
    assert after.modified_s > before.modified_s


def test_a_second_replay_must_be_asked_for(bench: Bench) -> None:
    bench.die("acme/birds/x")
    wanted = LetterFilter("acme", ids=frozenset({bench.only().id}))
    bench.replay(wanted)

    (second,) = bench.replay(wanted)
    assert second.outcome is ReplayOutcome.ALREADY_REPLAYED
    assert second.letter.replayed_s is not None
    assert len(bench.published()) == 1
    (third,) = bench.replay(wanted, again=True)
    assert third.outcome is ReplayOutcome.REPLAYED
    assert len(bench.published()) == 2


def test_a_dry_run_publishes_nothing(bench: Bench) -> None:
    bench.die("acme/birds/x")

    (replay,) = bench.replay(LetterFilter("acme", reason="R"), dry_run=True)

    assert replay.outcome is ReplayOutcome.WOULD_REPLAY
    assert bench.published() == []
    assert bench.only().replayed_s is None


def test_a_step_of_a_recognition_is_not_replayed_because_its_record_is_written(bench: Bench) -> None:
    bench.die("acme/birds/r1", topic=IMAGES)

    for dry_run in (True, False):
        (replay,) = bench.replay(LetterFilter("acme", topic=IMAGES), dry_run=dry_run)
        assert replay.outcome is ReplayOutcome.REFUSED
        assert isinstance(replay.error, Conflict)
        assert replay.error.reason == "RECOGNITION_ENDED"
    assert bench.published(IMAGES) == []


def test_a_letter_whose_payload_is_gone_is_refused_and_the_others_are_replayed(bench: Bench) -> None:
    bench.die("acme/birds/large", value=b"x" * (LIMITS.event_bytes + 1), at_s=1.0)
    bench.die("acme/birds/small", at_s=2.0)
    (payload,) = bench.store.list("acme/payloads/")
    bench.store.delete(payload.key)

    lost, replayed = bench.replay(LetterFilter("acme", topic=TAUGHT))

    assert (lost.outcome, replayed.outcome) == (ReplayOutcome.REFUSED, ReplayOutcome.REPLAYED)
    assert lost.error is not None
    assert lost.error.reason == "PAYLOAD_MISSING"


def test_events_are_replayed_in_the_order_in_which_they_died(bench: Bench) -> None:
    bench.die("acme/birds/x", value=b"second", at_s=2.0)
    bench.die("acme/birds/x", value=b"first", at_s=1.0)

    bench.replay(LetterFilter("acme", topic=TAUGHT))

    assert [record.value for record in bench.published()] == [b"first", b"second"]


def test_everything_cannot_be_replayed_by_mistake(bench: Bench) -> None:
    with pytest.raises(InvalidInput):
        bench.replay(ACME)
