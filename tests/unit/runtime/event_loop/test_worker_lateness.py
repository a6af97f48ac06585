"""What must not come late: the group is asked about it first, and it is of the time of the answer."""

from __future__ import annotations

import pytest

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from services.kernel.errors import Unavailable
from services.runtime.event_log.kafka import KafkaOptions
from services.runtime.event_log.ports import NewRecord
from services.runtime.events import Output, Tombstone
from services.runtime.topics import TOPICS
from tests.unit.runtime.event_loop.platforms import IN, OUT, Bench, name_of, propose, same_partition
from tests.unit.runtime.event_loop.scripted import Refusing

MEMORY = "exemplars.encoded"
NAMES = same_partition(4)


class Times:
    """Notes of which time outputs are when the log gets them, in seconds since the test began."""

    def __init__(self, bench: Bench) -> None:
        bench.time.begin_now()
        self._began_s = bench.time.began_s
        self.found: list[float | None] = []
        bench.log.refused = self._note

    def _note(self, record: NewRecord) -> None:
        if record.topic != IN:
            self.found.append(None if record.as_of_s is None else round(record.as_of_s - self._began_s, 3))


@pytest.fixture
def times(bench: Bench) -> Times:
    return Times(bench)


def forget(event: ImageSubmitted) -> Output:
    return Tombstone(MEMORY, f"default/birds/{name_of(event)}")


def test_a_topic_that_refuses_what_is_late_does_so_long_before_a_group_gives_up_a_silent_member() -> None:
    late_s = TOPICS[MEMORY].settings.late_s

    assert late_s is not None
    assert late_s <= KafkaOptions().session_s / 2


def test_the_group_is_asked_before_the_first_record_and_when_it_has_not_answered_for_a_second(
    bench: Bench, times: Times
) -> None:
    worker, _ = bench.worker(forget)
    for wait_s, name in zip((5.0, 0.5, 0.4, 1.1), NAMES, strict=True):
        bench.time.pass_time(wait_s)
        bench.submit(name)
        worker.step()

    # The second and the third find the answer to what was committed just before.
    assert times.found == [5.0, 5.0, 5.5, 7.0]


def test_that_polls_go_on_is_no_answer(bench: Bench, times: Times) -> None:
    worker, _ = bench.worker(forget)
    bench.submit(NAMES[0])
    worker.step()
    for _ in range(10):
        bench.time.pass_time(0.5)
        worker.step()
    bench.submit(NAMES[1])
    worker.step()

    assert times.found == [0.0, 5.0]


def test_what_came_too_late_is_asked_about_anew_and_published_once(bench: Bench, times: Times) -> None:
    worker, _ = bench.worker(forget)
    bench.submit(NAMES[0])
    bench.log.errors = [Unavailable("too late", reason="TOO_LATE")]
    worker.step()
    bench.time.pass_time(0.6)
    worker.step()

    assert times.found == [0.6]
    assert len(bench.read(MEMORY)) == 1


def test_who_stood_still_publishes_nothing_that_another_member_has_by_now(bench: Bench) -> None:
    bench.time.begin_now()
    bench.submit("a", "b")
    still: list[str] = []

    def stand_still(event: ImageSubmitted) -> Output:
        if not still:
            bench.time.pass_time(10.0)
            refusing.refuses = True
        still.append(name_of(event))
        return forget(event)

    worker, consumer = bench.worker(stand_still)
    refusing = Refusing(consumer)
    refusing.refuses = False
    worker._consumer = worker._outbox._consumer = refusing
    worker.step()
    assert still
    assert not bench.read(MEMORY)

    refusing.lost = True
    bench.time.pass_time(10.0)
    worker.step()
    assert not bench.read(MEMORY)

    refusing.refuses = refusing.lost = False
    bench.time.pass_time(10.0)
    worker.step()
    assert not bench.read(MEMORY)

    consumer.close()
    other, _ = bench.worker(forget)
    other.step()
    assert {record.key for record in bench.read(MEMORY)} == {"default/birds/a", "default/birds/b"}


def test_what_may_come_at_any_time_is_of_its_own(bench: Bench, times: Times) -> None:
    bench.submit(NAMES[0])
    worker, _ = bench.worker(propose)
    worker.step()

    assert len(bench.read(OUT)) == 1
    assert set(times.found) == {None}
