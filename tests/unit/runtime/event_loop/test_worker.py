"""The loop as an event meets it: handled, published, committed; or waiting; or dead, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.kernel.errors import (
    Conflict,
    Corrupt,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
    Unsupported,
)
from services.runtime import tracing
from services.runtime.dead_letters import DeadLetter
from services.runtime.deadline import remaining_s
from services.runtime.event_log.ports import Commit, Consumer, NewRecord, Record, TopicPartition
from services.runtime.events import Tombstone
from tests.unit.runtime.event_loop.platforms import IN, OUT, Bench, name_of, propose, same_partition

Outcome = RegionsProposed | Exception


class Scripted:
    """A handler that does for each event what its script says, then proposes."""

    def __init__(self, **script: list[Exception]) -> None:
        self.seen: list[str] = []
        self._script = script

    def __call__(self, event: ImageSubmitted) -> RegionsProposed:
        name = name_of(event)
        self.seen.append(name)
        if self._script.get(name):
            raise self._script[name].pop(0)
        return propose(event)


def dead_letter(bench: Bench, topic: str = IN) -> DeadLetter:
    (record,) = bench.read(f"{topic}.dead")
    return DeadLetter.of_record(record)


def test_what_the_handler_returns_is_published_and_the_event_committed(bench: Bench) -> None:
    positions = bench.submit("a", "b", "c")
    worker, consumer = bench.worker(propose)

    worker.step()

    assert sorted(bench.proposed()) == ["a", "b", "c"]
    ends = Counter(position.partition for position in positions)
    places = {source.partition: consumer.committed(source) for source in consumer.assignment()}
    assert {partition: place.offset for partition, place in places.items() if place} == ends
    assert bench.metrics.outcomes == ["ok"] * 3
    assert bench.metrics.read == 3


def test_an_output_says_what_it_is_about_where_it_comes_from_and_who_made_it(bench: Bench) -> None:
    bench.submit("a")
    worker, _ = bench.worker(propose)
    worker.step()

    (cause,), (output,) = bench.read(IN), bench.read(OUT)
    assert output.key == cause.key == "default/birds/a"
    assert output.headers["cause-id"] == cause.headers["event-id"]
    assert output.headers["producer"] == "segmentation/0.1.0"
    about = {name: output.headers[name] for name in ("tenant", "collection", "recognition-id")}
    assert about == {"tenant": "default", "collection": "birds", "recognition-id": "a"}


def test_the_trace_goes_on_in_the_output(bench: Bench) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    token = tracing.enter(tracing.parse(traceparent) or pytest.fail("no trace"))
    bench.submit("a")
    tracing.restore(token)
    worker, _ = bench.worker(propose)

    worker.step()

    (output,) = bench.read(OUT)
    assert output.headers["traceparent"].split("-")[1] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert tracing.current() is None


def test_handling_an_event_again_gives_the_same_event_id(bench: Bench) -> None:
    bench.submit("a")
    for _ in range(2):  # the second worker's group never committed
        worker, consumer = bench.worker(propose)
        worker._outbox._commit = lambda: None  # type: ignore[method-assign]  # as if killed before it
        worker.step()
        consumer.close()

    first, second = bench.read(OUT)
    assert first.headers["event-id"] == second.headers["event-id"]


def test_nothing_is_committed_before_the_outputs_are_durable(bench: Bench) -> None:
    bench.submit("a")
    worker, consumer = bench.worker(propose)
    bench.log.errors = [Unavailable("no disk")]

    worker.step()

    assert bench.proposed() == []
    assert all((consumer.committed(source) or Commit(0)).offset == 0 for source in consumer.assignment())


def place_of(consumer: Consumer) -> int:
    """Return the group's place in the one partition that has events."""
    commits = [consumer.committed(source) for source in consumer.assignment()]
    return max((commit.offset for commit in commits if commit), default=0)


def test_commits_wait_for_each_other_and_not_for_long(bench: Bench) -> None:
    bench.commit_after_s = 0.25
    names = same_partition(50)
    bench.submit(*names[:20])
    worker, consumer = bench.worker(propose)
    for _ in range(2):
        worker.step()  # past the events that are marked
    assert place_of(consumer) < 20

    bench.submit(*names[20:40])
    bench.time.pass_time(0.3)
    worker.step()
    assert place_of(consumer) > 20
    assert bench.proposed()[:20] == names[:20]


def test_when_nothing_more_comes_all_is_committed(bench: Bench) -> None:
    bench.commit_after_s = 60.0
    names = same_partition(40)
    bench.submit(*names)
    worker, consumer = bench.worker(propose)
    for _ in range(3):
        worker.step()
    assert bench.proposed() == names
    assert place_of(consumer) < 40

    worker.step()
    assert place_of(consumer) == 40


def test_who_stops_commits_first(bench: Bench) -> None:
    bench.commit_after_s = 60.0
    names = same_partition(40)
    bench.submit(*names)
    worker, consumer = bench.worker(propose)
    for _ in range(3):
        worker.step()
    assert place_of(consumer) < 40

    worker.finish()
    assert place_of(consumer) == 40


def test_a_refused_publish_is_tried_again_without_handling_the_event_again(bench: Bench) -> None:
    bench.submit("a")
    handler = Scripted()
    worker, _ = bench.worker(handler)
    bench.log.errors = [Unavailable("no disk"), Unavailable("still none")]

    for _ in range(4):
        worker.step()
        bench.time.pass_time(1.0)

    assert bench.proposed() == handler.seen == ["a"]


def test_while_the_log_refuses_the_rest_of_the_batch_waits(bench: Bench) -> None:
    names = same_partition(4)
    bench.submit(*names)
    seen: list[str] = []

    def slow(event: ImageSubmitted) -> RegionsProposed:
        seen.append(name_of(event))
        bench.time.pass_time(0.03)
        return propose(event)

    worker, _ = bench.worker(slow)
    bench.log.errors = [Unavailable("no disk")]

    worker.step()
    assert seen == names[:2]

    bench.time.pass_time(1.0)
    worker.step()
    assert seen == bench.proposed() == names


def test_while_the_log_refuses_nothing_more_is_read_or_handled(bench: Bench) -> None:
    bench.submit("a")
    handler = Scripted()
    worker, _ = bench.worker(handler)
    bench.log.errors = [Unavailable("no disk")]
    worker.step()
    bench.submit("b", "c", "d", "e")

    for _ in range(5):
        worker.step()
    assert handler.seen == ["a"]
    assert bench.metrics.read == 1

    bench.time.pass_time(1.0)
    worker.step()
    assert sorted(handler.seen) == sorted(bench.proposed()) == ["a", "b", "c", "d", "e"]


def test_an_output_that_the_log_never_takes_makes_its_event_a_dead_letter_and_spares_the_others(
    bench: Bench,
) -> None:
    names = same_partition(40)
    bench.submit(*names)
    worker, _ = bench.worker(propose)
    bench.log.refused = lambda record: _too_large(record, names[30])

    for _ in range(3):
        worker.step()

    assert bench.proposed() == names[:30] + names[31:]
    letter = dead_letter(bench)
    assert (letter.key, letter.cause.reason) == (f"default/birds/{names[30]}", "TOO_LARGE")


def _too_large(record: NewRecord, name: str) -> Exception | None:
    hit = record.topic == OUT and record.key.endswith(f"/{name}")
    return InvalidInput("more than the broker takes", reason="TOO_LARGE") if hit else None


@pytest.mark.parametrize(
    "error", [Unavailable("down"), Overloaded("full", retry_after_s=0.0), DeadlineExceeded("late")]
)
def test_an_event_whose_dependency_is_down_waits_and_the_other_partitions_go_on(
    bench: Bench, error: Exception
) -> None:
    first, second = same_partition(2)
    bench.submit(first, second, "elsewhere-1", "elsewhere-2")
    handler = Scripted(**{first: [error, error]})
    worker, _ = bench.worker(handler)

    worker.step()
    worker.step()
    assert set(bench.proposed()) == {"elsewhere-1", "elsewhere-2"} - {first}
    assert handler.seen.count(first) == 1
    assert second not in handler.seen

    for _ in range(3):
        bench.time.pass_time(1.0)
        worker.step()
    assert [name for name in bench.proposed() if name in {first, second}] == [first, second]
    assert bench.metrics.outcomes.count("retry") == 2
    assert bench.metrics.pauses == [True, False, True, False]


def test_a_paused_partition_is_not_read_on(bench: Bench) -> None:
    names = same_partition(60)
    bench.submit(names[0])
    down: list[Exception] = [Unavailable("down")] * 50
    worker, _ = bench.worker(Scripted(**{names[0]: down}))
    worker.step()
    bench.submit(*names[1:])

    for _ in range(5):
        worker.step()

    assert bench.metrics.read == 1


def test_a_dependency_may_be_down_for_as_long_as_it_likes(bench: Bench) -> None:
    bench.submit("a")
    worker, _ = bench.worker(Scripted(a=[Unavailable("down")] * 50))

    for _ in range(60):
        worker.step()
        bench.time.pass_time(8.0)

    assert bench.proposed() == ["a"]
    assert bench.read(f"{IN}.dead") == []


def test_the_waits_grow_to_a_cap_and_are_spread(bench: Bench) -> None:
    bench.submit("a")
    handler = Scripted(a=[Unavailable("down")] * 6)
    worker, _ = bench.worker(handler)
    tried_s = []
    for _ in range(1000):
        before = len(handler.seen)
        worker.step()
        if len(handler.seen) > before:
            tried_s.append(bench.time.elapsed_s)
        bench.time.pass_time(0.125)

    waits_s = [later - earlier for earlier, later in pairwise(tried_s)]
    assert waits_s == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]  # half of 1, 2, 4, 8, 8, 8


def test_who_has_no_room_says_when_to_come_back(bench: Bench) -> None:
    bench.submit("a")
    handler = Scripted(a=[Overloaded("full", retry_after_s=20.0)])
    worker, _ = bench.worker(handler)

    worker.step()
    bench.time.pass_time(19.9)
    worker.step()
    assert len(handler.seen) == 1

    bench.time.pass_time(0.2)
    worker.step()
    assert bench.proposed() == ["a"]


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


def test_a_handler_may_return_nothing_or_several_or_a_deletion(bench: Bench) -> None:
    returns: dict[str, Any] = {
        "nothing": lambda _event: None,
        "several": lambda event: [propose(event), Tombstone("collections.changed", "default/birds")],
        "deletion": lambda _event: Tombstone("exemplars.encoded", "default/birds/x1"),
    }
    bench.submit(*returns)
    worker, _ = bench.worker(lambda event: returns[name_of(event)](event))

    worker.step()

    assert bench.proposed() == ["several"]
    (forgotten,), (deleted,) = bench.read("exemplars.encoded"), bench.read("collections.changed")
    assert (forgotten.key, forgotten.value) == ("default/birds/x1", None)
    assert (deleted.key, deleted.headers["tenant"]) == ("default/birds", "default")
    assert bench.read(f"{IN}.dead") == []


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


def test_a_long_batch_does_not_hold_back_its_first_outputs(bench: Bench) -> None:
    names = same_partition(40)
    bench.submit(*names)
    seen: list[int] = []

    def slow(event: ImageSubmitted) -> RegionsProposed:
        seen.append(len(bench.proposed()))
        bench.time.pass_time(0.015)
        return propose(event)

    worker, _ = bench.worker(slow)
    for _ in range(3):
        worker.step()

    held = [number - published for number, published in enumerate(seen)]
    assert max(held) == 2
    assert bench.metrics.publishes < 40 - 8  # beyond the guarded ones, two by two


def test_stopping_finishes_the_event_in_hand_and_leaves_the_rest(bench: Bench) -> None:
    names = same_partition(5)
    bench.submit(*names)

    def stop_at_second(event: ImageSubmitted) -> RegionsProposed:
        bench.stopping = name_of(event) == names[1]
        return propose(event)

    worker, consumer = bench.worker(stop_at_second)
    worker.step()
    consumer.close()
    assert bench.proposed() == names[:2]

    bench.stopping = False
    worker, _ = bench.worker(propose)
    worker.step()
    assert bench.proposed() == names


def test_what_another_member_takes_over_is_not_done_here(bench: Bench) -> None:
    names = [f"r{number}" for number in range(30)]
    bench.submit(*names[:10])
    first, _ = bench.worker(propose)
    first.step()
    second, _ = bench.worker(propose)
    bench.submit(*names[10:])

    for _ in range(4):
        first.step()
        second.step()

    assert sorted(bench.proposed()) == sorted(names)


class Refusing:
    """A consumer whose partitions another member has, for a while."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.refuses = True
        self.lost = False

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset() if self.lost else self._consumer.assignment()

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Record]:
        return () if self.lost else self._consumer.poll(timeout_s, most=most)

    def commit(self, commits: Mapping[TopicPartition, Commit]) -> None:
        if self.refuses:
            raise Conflict("another member has it", reason="PARTITION_NOT_ASSIGNED")
        self._consumer.commit(commits)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


class PowerCutError(BaseException):
    """Stands for kill -9: nothing of the loop runs after it."""


def live(bench: Bench, handler: Callable[[ImageSubmitted], RegionsProposed], steps: int = 3) -> bool:
    """Run a worker until it has nothing to do; say whether it survived."""
    worker, consumer = bench.worker(handler)
    try:
        for _ in range(steps):
            worker.step()
            bench.time.pass_time(8.0)
    except PowerCutError:
        return False
    finally:
        consumer.close()
    return True


@pytest.mark.parametrize("place", [0, 2])
def test_an_event_that_kills_the_process_three_times_is_a_dead_letter(bench: Bench, place: int) -> None:
    names = same_partition(4)
    bench.submit(*names)

    def deadly(event: ImageSubmitted) -> RegionsProposed:
        if name_of(event) == names[place]:
            raise PowerCutError
        return propose(event)

    assert [live(bench, deadly) for _ in range(4)] == [False, False, False, True]

    assert bench.proposed() == names[:place] + names[place + 1 :]
    letter = dead_letter(bench)
    assert (letter.key, letter.cause.reason) == (f"default/birds/{names[place]}", "KILLED_PROCESS")


def test_an_event_that_was_survived_is_not_blamed_for_later_deaths(bench: Bench) -> None:
    bench.submit("a")
    lives: list[Exception | BaseException | None] = [
        PowerCutError(),
        PowerCutError(),
        Unavailable("down"),
        PowerCutError(),
        None,
    ]

    def fate(event: ImageSubmitted) -> RegionsProposed:
        error = lives.pop(0)
        if error:
            raise error
        return propose(event)

    assert not live(bench, fate, 1)
    assert not live(bench, fate, 1)
    assert live(bench, fate, 1)
    assert not live(bench, fate, 1)
    assert live(bench, lambda _event: pytest.fail("begun a fourth time"))
    assert dead_letter(bench).cause.reason == "KILLED_PROCESS"


def test_waiting_for_a_dependency_does_not_count_as_dying(bench: Bench) -> None:
    bench.submit("a")

    for _ in range(5):
        assert live(bench, Scripted(a=[Unavailable("down")] * 9), steps=2)
    assert live(bench, Scripted())

    assert bench.proposed() == ["a"]


def notes_during(bench: Bench, handler: Callable[[ImageSubmitted], RegionsProposed], steps: int) -> list[str]:
    """Run a worker, and return what the log says of the event at work, for each."""
    notes: list[str] = []
    consumers: list[Consumer] = []

    def noting(event: ImageSubmitted) -> RegionsProposed:
        (consumer,) = consumers
        found = [consumer.committed(source) for source in consumer.assignment()]
        notes.extend(commit.metadata for commit in found if commit)
        return handler(event)

    worker, consumer = bench.worker(noting)
    consumers.append(consumer)
    with suppress(PowerCutError):
        for _ in range(steps):
            worker.step()
    consumer.close()
    return notes


def test_one_mark_stands_for_all_that_the_last_process_may_have_died_of(bench: Bench) -> None:
    names = same_partition(40)
    bench.submit(*names)

    notes = notes_during(bench, propose, 4)

    assert notes == ['{"begun": 1, "among": true}'] * 16 + [""] * 24
    assert bench.metrics.publishes == 3


def test_after_a_death_each_event_is_marked_until_the_deadly_one_is_found(bench: Bench) -> None:
    names = same_partition(20)
    bench.submit(*names)

    def deadly(event: ImageSubmitted) -> RegionsProposed:
        if name_of(event) == names[3]:
            raise PowerCutError
        return propose(event)

    assert not live(bench, deadly)
    assert notes_during(bench, deadly, 1) == ['{"begun": 2}'] * 4
    assert notes_during(bench, deadly, 1) == ['{"begun": 3}']
    assert notes_during(bench, deadly, 3) == ['{"begun": 1}'] * 15 + [""]
    assert bench.proposed() == names[:3] + names[4:]


def test_nothing_is_marked_once_all_is_done(bench: Bench) -> None:
    bench.submit("a")
    worker, consumer = bench.worker(propose)
    worker.step()

    assert {consumer.committed(source) for source in consumer.assignment()} == {None, Commit(1)}


def test_an_event_that_waits_does_not_commit_what_is_not_published(bench: Bench) -> None:
    names = same_partition(3)
    bench.submit(*names)
    bench.log.errors = [Unavailable("no disk")]
    down: dict[str, list[Exception]] = {names[1]: [Unavailable("down")]}
    worker, consumer = bench.worker(Scripted(**down))
    worker.step()

    (source,) = {one.source for one in bench.read(IN)}
    place = consumer.committed(source)
    assert place is not None
    assert place.offset == 0
    assert not bench.proposed()


def test_who_may_not_begin_an_event_leaves_it_to_whoever_has_it(bench: Bench) -> None:
    bench.submit("a")
    handler = Scripted()
    worker, consumer = bench.worker(handler)
    refusing = Refusing(consumer)
    worker._consumer = refusing

    worker.step()
    assert not handler.seen

    refusing.refuses = False
    worker.step()
    assert handler.seen == bench.proposed() == ["a"]


def test_who_stood_still_publishes_nothing_that_another_member_has_by_now(bench: Bench) -> None:
    bench.submit("a", "b")
    still: list[str] = []

    def stand_still(event: ImageSubmitted) -> RegionsProposed:
        if not still:
            bench.time.pass_time(10.0)
            refusing.refuses = True
        still.append(name_of(event))
        return propose(event)

    worker, consumer = bench.worker(stand_still)
    refusing = Refusing(consumer)
    refusing.refuses = False
    worker._consumer = worker._outbox._consumer = refusing
    worker.step()
    assert still
    assert not bench.proposed()

    refusing.lost = True
    bench.time.pass_time(10.0)
    worker.step()
    assert not bench.proposed()

    refusing.refuses = refusing.lost = False
    bench.time.pass_time(10.0)
    worker.step()
    assert not bench.proposed()

    consumer.close()
    other, _ = bench.worker(propose)
    other.step()
    assert sorted(bench.proposed()) == ["a", "b"]


def test_who_is_slow_and_still_has_its_events_publishes_them(bench: Bench) -> None:
    names = same_partition(3)
    bench.submit(*names)

    def slow(event: ImageSubmitted) -> RegionsProposed:
        bench.time.pass_time(10.0)
        return propose(event)

    worker, consumer = bench.worker(slow)
    worker.step()

    assert bench.proposed() == names
    (source,) = {one.source for one in bench.read(IN)}
    assert consumer.committed(source) == Commit(3)
