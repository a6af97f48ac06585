from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.kernel.errors import Unavailable
from services.runtime.event_loop import LagWatch, PrometheusEventMetrics
from services.runtime.event_loop.lag import Place
from services.runtime.event_loop.worker import Worker
from services.runtime.metrics import EventMetrics
from tests.e2e.waiting import eventually
from tests.unit.runtime.event_loop.platforms import GROUP, IN, Bench, propose, same_partition


class Gauges:
    """The lag of one subscription, as a scrape shows it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.metrics = PrometheusEventMetrics(EventMetrics(self._registry), IN, GROUP)

    def lag(self, partition: int = 0) -> tuple[float | None, float | None]:
        labels = {"topic": IN, "group": GROUP, "partition": str(partition)}
        messages, seconds, _ = (
            self._registry.get_sample_value(name, labels)
            for name in (
                "fovea_consumer_lag_messages",
                "fovea_consumer_lag_seconds",
                "fovea_partition_paused",
            )
        )
        return messages, seconds

    @property
    def log_up(self) -> float | None:
        return self._registry.get_sample_value("fovea_event_log_up")

    def value(self, name: str) -> float | None:
        return self._registry.get_sample_value(name, {"topic": IN, "group": GROUP})


@pytest.fixture
def gauges() -> Gauges:
    return Gauges()


def test_an_event_in_hand_is_as_late_as_it_is_old(gauges: Gauges) -> None:
    gauges.metrics.stands(0, Place(3, since_s=100.0))
    gauges.metrics.show_lag({0: 5}, now_s=130.0)

    assert gauges.lag() == (2.0, 30.0)


def test_what_is_not_read_yet_is_as_late_as_the_last_look_at_which_there_was_nothing(gauges: Gauges) -> None:
    gauges.metrics.stands(0, Place(3))
    gauges.metrics.show_lag({0: 3}, now_s=100.0)
    assert gauges.lag() == (0.0, 0.0)
    gauges.metrics.show_lag({0: 4}, now_s=105.0)
    gauges.metrics.show_lag({0: 9}, now_s=110.0)

    assert gauges.lag() == (6.0, 10.0)


def test_whoever_is_at_the_end_is_not_late(gauges: Gauges) -> None:
    gauges.metrics.stands(0, Place(3, since_s=1.0))  # said before the event was done with
    gauges.metrics.show_lag({0: 3}, now_s=100.0)

    assert gauges.lag() == (0.0, 0.0)


def test_while_the_log_does_not_answer_events_in_hand_grow_older(gauges: Gauges) -> None:
    gauges.metrics.stands(0, Place(3, since_s=100.0))
    gauges.metrics.show_lag({0: 5}, now_s=101.0)
    gauges.metrics.show_lag(None, now_s=120.0)

    assert gauges.lag() == (2.0, 20.0)


def test_a_partition_that_moved_away_has_no_lag_here(gauges: Gauges) -> None:
    gauges.metrics.stands(0, Place(3))
    gauges.metrics.stands(1, Place(3))
    gauges.metrics.paused(0, paused=True)
    gauges.metrics.show_lag({0: 5, 1: 4}, now_s=100.0)
    gauges.metrics.left(0)
    gauges.metrics.show_lag({0: 5, 1: 4}, now_s=100.0)
    gauges.metrics.left(7)

    assert gauges.lag(0) == (None, None)
    assert gauges.lag(1)[0] == 1.0


class NoEnds:
    """A log that does not answer, and then answers."""

    def __init__(self, answers: list[Mapping[int, int] | Exception]) -> None:
        self.answers = answers

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        assert topic == IN
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_the_watch_goes_on_whatever_the_log_says(gauges: Gauges) -> None:
    gauges.metrics.stands(0, Place(3))
    log = NoEnds([Unavailable("no broker"), RuntimeError("a bug"), {0: 4}])
    watch = LagWatch(log.end_offsets, [gauges.metrics], lambda: 100.0, every_s=0.01)
    watch.start()
    eventually(lambda: gauges.lag()[0])
    watch.close()

    assert gauges.lag()[0] == 1.0


def test_a_log_that_does_not_answer_can_be_seen(gauges: Gauges) -> None:
    gauges.metrics.show_lag(None, now_s=100.0)
    assert gauges.log_up == 0.0

    gauges.metrics.show_lag({0: 4}, now_s=105.0)
    assert gauges.log_up == 1.0


def test_a_member_says_how_far_it_is(bench: Bench) -> None:
    bench.submit(*same_partition(3))
    worker, _ = bench.worker(propose)
    worker.step()
    worker.step()
    bench.time.pass_time(2.0)
    worker.step()

    assert bench.metrics.places == {0: Place(3), 1: Place(0), 2: Place(0), 3: Place(0)}
    assert bench.metrics.sharings == 1


def test_an_event_that_waits_is_not_done_with(bench: Bench) -> None:
    def asleep(_: ImageSubmitted) -> RegionsProposed:
        raise Unavailable("asleep")

    bench.submit(*same_partition(3))
    worker, _ = bench.worker(asleep)
    worker.step()

    place = bench.metrics.places[0]
    assert place.offset == 0
    assert place.since_s == bench.read(IN)[0].timestamp_s


def test_what_the_log_refuses_is_counted_and_not_done_with(bench: Bench) -> None:
    bench.submit(*same_partition(2))
    worker, _ = bench.worker(propose)
    bench.log.errors = [Unavailable("no disk")]
    worker.step()
    assert bench.metrics.waiting == 2
    assert bench.metrics.places[0].offset == 0

    bench.time.pass_time(2.0)
    worker.step()
    worker.step()
    assert bench.metrics.waiting == 0
    bench.time.pass_time(2.0)
    worker.step()
    assert bench.metrics.places[0].offset == 2


def test_whoever_leaves_takes_its_partitions_away(bench: Bench) -> None:
    bench.submit("a")
    worker, _ = bench.worker(propose)
    worker.step()
    assert bench.metrics.places
    bench.log.errors = [Unavailable("no disk")]
    worker.leave()

    assert not bench.metrics.places
    assert bench.metrics.waiting == 0


def test_partitions_that_another_member_takes_over_go(bench: Bench) -> None:
    worker, _ = bench.worker(propose)
    worker.step()
    assert len(bench.metrics.places) == 4
    metrics = type(bench.metrics)()
    with bench.log.consumer(GROUP, [IN]) as consumer:
        other = Worker(replace(bench.subscription(propose), metrics=metrics), bench.platform(), consumer)
        for _ in range(2):
            worker.step()
            other.step()
        bench.time.pass_time(2.0)
        for each in (worker, other):
            each.step()

    assert sorted([*bench.metrics.places, *metrics.places]) == [0, 1, 2, 3]
    assert len(metrics.places) == 2


def test_the_outbox_gauge_follows(gauges: Gauges) -> None:
    gauges.metrics.refused(3)
    gauges.metrics.refused(-3)
    gauges.metrics.shared_out(2)

    assert gauges.value("fovea_outbox_pending") == 0.0
    assert gauges.value("fovea_rebalances_total") == 2.0
