"""Events that wait: for a log that refuses, or for what their handler depends on."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.kernel.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    Unavailable,
)
from services.runtime.event_log.ports import NewRecord
from tests.unit.runtime.event_loop.platforms import IN, OUT, Bench, name_of, propose, same_partition
from tests.unit.runtime.event_loop.scripted import Scripted, dead_letter


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
