"""The loop as an event meets it: handled, published, committed; or waiting; or dead, with the reason."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.kernel.errors import (
    Unavailable,
)
from services.runtime import tracing
from services.runtime.event_log.ports import Commit, Consumer
from services.runtime.events import Tombstone
from tests.unit.runtime.event_loop.platforms import IN, OUT, Bench, name_of, propose, same_partition


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


def test_a_handler_may_return_nothing_or_several_or_a_deletion(bench: Bench) -> None:
    returns: dict[str, Any] = {
        "nothing": lambda _event: None,
        "several": lambda event: [propose(event), Tombstone("collections.changed", "default/birds")],
        "deletion": lambda _event: Tombstone("exemplars.encoded", "default/birds/x1"),
    }
    bench.time.begin_now()  # since the log takes nothing old into the memory
    bench.submit(*returns)
    worker, _ = bench.worker(lambda event: returns[name_of(event)](event))

    worker.step()

    assert bench.proposed() == ["several"]
    (forgotten,), (deleted,) = bench.read("exemplars.encoded"), bench.read("collections.changed")
    assert (forgotten.key, forgotten.value) == ("default/birds/x1", None)
    assert (deleted.key, deleted.headers["tenant"]) == ("default/birds", "default")
    assert bench.read(f"{IN}.dead") == []


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
