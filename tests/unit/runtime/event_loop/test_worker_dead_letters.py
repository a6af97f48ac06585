"""Events that nobody can handle."""

from __future__ import annotations

from collections import Counter

import pytest

from services.kernel.errors import (
    Conflict,
    Corrupt,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Unsupported,
)
from services.runtime.dead_letters import DeadLetter
from services.runtime.deadline import remaining_s
from services.runtime.event_log.ports import Commit, NewRecord
from tests.unit.runtime.event_loop.platforms import IN, Bench, same_partition
from tests.unit.runtime.event_loop.scripted import Scripted, dead_letter


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("bad", field="regions[0].box", reason="BOX_OUTSIDE"),
        NotFound("gone"),
        Conflict("twice"),
        Unsupported("cannot"),
        Corrupt("torn"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_event_that_can_never_be_handled_is_a_dead_letter_at_once(bench: Bench, error: Exception) -> None:
    first, second = same_partition(2)
    bench.submit(first, second)
    worker, _ = bench.worker(Scripted(**{first: [error] * 9}))

    worker.step()

    assert bench.proposed() == [second]
    assert bench.metrics.outcomes == ["dead", "ok"]
    letter, (original, _) = dead_letter(bench), bench.read(IN)
    assert (letter.value, letter.key, letter.headers) == (original.value, original.key, original.headers)
    assert letter.origin == original.position
    assert (letter.cause.error_class, letter.cause.attempts) == (type(error).__name__, 1)
    assert bench.metrics.reasons == [letter.cause.reason]


def test_a_dead_letter_says_everything_that_is_known(bench: Bench) -> None:
    bench.submit("a")
    worker, _ = bench.worker(Scripted(a=[InvalidInput("bad", field="regions[0].box", reason="BOX_OUTSIDE")]))
    worker.step()

    (record,) = bench.read(f"{IN}.dead")
    assert {name: text for name, text in record.headers.items() if name.startswith("dead-")} == {
        "dead-topic": IN,
        "dead-partition": record.headers["dead-partition"],
        "dead-offset": "0",
        "dead-key": "default/birds/a",
        "dead-error-class": "InvalidInput",
        "dead-reason": "BOX_OUTSIDE",
        "dead-message": "bad",
        "dead-field": "regions[0].box",
        "dead-attempts": "1",
        "dead-service": "segmentation",
        "dead-version": "0.1.0",
        "dead-first-seen": "2001-09-09T01:46:40.000+00:00",
        "dead-last-seen": "2001-09-09T01:46:40.000+00:00",
    }
    assert record.headers["recognition-id"] == "a"


def test_an_error_that_nobody_foresaw_gets_a_few_attempts(bench: Bench) -> None:
    bench.submit("lucky", "unlucky")
    handler = Scripted(lucky=[KeyError("x")] * 2, unlucky=[KeyError("x")] * 9)
    worker, _ = bench.worker(handler)

    for _ in range(10):
        worker.step()
        bench.time.pass_time(8.0)

    assert bench.proposed() == ["lucky"]
    assert Counter(handler.seen) == {"lucky": 3, "unlucky": 3}
    cause = dead_letter(bench).cause
    assert (cause.reason, cause.error_class, cause.attempts) == ("INTERNAL", "KeyError", 3)
    assert cause.last_seen_s > cause.first_seen_s


def test_an_event_that_always_runs_out_of_time_is_given_up_in_the_end(bench: Bench) -> None:
    bench.submit("a")
    worker, _ = bench.worker(Scripted(a=[DeadlineExceeded("late")] * 99))

    for _ in range(20):
        worker.step()
        bench.time.pass_time(8.0)

    assert dead_letter(bench).cause.attempts == 4


def test_a_handler_has_a_deadline(bench: Bench) -> None:
    bench.submit("a")
    found: list[float | None] = []
    worker, _ = bench.worker(lambda _event: found.append(remaining_s()))

    worker.step()

    assert found[0] is not None
    assert 50 < found[0] <= 60


@pytest.mark.parametrize(("value", "reason"), [(b"\xff\xff\xff", "UNDECODABLE"), (None, "NO_VALUE")])
def test_bytes_that_are_no_message_are_a_dead_letter(bench: Bench, value: bytes | None, reason: str) -> None:
    bench.log.publish([NewRecord(IN, "default/birds/a", value)])
    handler = Scripted()
    worker, _ = bench.worker(handler)

    worker.step()

    assert handler.seen == []
    letter = dead_letter(bench)
    assert (letter.value, letter.cause.reason) == (value, reason)


def test_a_handler_that_returns_no_event_is_a_dead_letter(bench: Bench) -> None:
    bench.submit("a")
    worker, _ = bench.worker(lambda event: event.envelope)

    worker.step()

    assert dead_letter(bench).cause.reason == "UNKNOWN_TOPIC"


def test_dead_letters_can_be_handled_too(bench: Bench) -> None:
    bench.submit("a")
    worker, _ = bench.worker(Scripted(a=[InvalidInput("bad", reason="BAD")]))
    worker.step()
    letters: list[DeadLetter] = []

    undertaker, _ = bench.worker(letters.append, f"{IN}.dead")
    undertaker.step()

    assert [(letter.cause.reason, letter.headers["recognition-id"]) for letter in letters] == [("BAD", "a")]


def test_a_dead_letter_that_cannot_be_handled_makes_no_further_one(bench: Bench) -> None:
    bench.log.publish([NewRecord(f"{IN}.dead", "a", b"no dead letter")])
    worker, consumer = bench.worker(Scripted(), f"{IN}.dead")

    worker.step()

    assert bench.metrics.outcomes == ["skipped"]
    (source,) = consumer.assignment()
    assert consumer.committed(source) == Commit(1)
