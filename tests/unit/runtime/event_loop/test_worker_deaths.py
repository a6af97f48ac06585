"""Processes that die or stand still, and members that take over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.kernel.errors import Unavailable
from services.runtime.event_log.ports import Commit, Consumer
from tests.unit.runtime.event_loop.platforms import IN, Bench, name_of, propose, same_partition
from tests.unit.runtime.event_loop.scripted import Refusing, Scripted, dead_letter


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
