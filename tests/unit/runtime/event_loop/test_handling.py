"""Spans of events: of their way into the log, and of each attempt to handle them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.kernel.errors import NotFound, Unavailable
from services.runtime import tracing
from services.runtime.event_loop import Handler
from services.runtime.event_loop.worker import Worker
from tests.unit.runtime.event_loop.platforms import GROUP, IN, OUT, Bench, propose


@dataclass
class Traced:
    """A bench whose submissions and workers are traced."""

    bench: Bench
    spans: list[tracing.Span] = field(default_factory=list)

    @property
    def tracer(self) -> tracing.Tracer:
        return tracing.Tracer(self.spans.append)

    def submit(self, *names: str) -> tracing.TraceContext:
        call = tracing.begin(None, self.tracer)
        token = tracing.enter(call)
        self.bench.submit(*names)
        tracing.restore(token)
        return call

    @contextmanager
    def worker(self, handler: Handler) -> Iterator[Worker]:
        with self.bench.log.consumer(GROUP, [IN]) as consumer:
            platform = replace(self.bench.platform(), tracer=self.tracer)
            yield Worker(self.bench.subscription(handler), platform, consumer)

    def named(self, name: str) -> list[tracing.Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def traced(bench: Bench) -> Traced:
    return Traced(bench)


def test_an_event_is_handled_in_the_trace_of_its_producer_and_linked_to_it(traced: Traced) -> None:
    call = traced.submit("a")
    with traced.worker(propose) as worker:
        worker.step()

    (sent,), (processed,), (went_on,) = (
        traced.named(name) for name in (f"send {IN}", f"process {IN}", f"send {OUT}")
    )
    assert {span.context.trace_id for span in traced.spans} == {call.trace_id}
    assert sent.context.parent_id == call.span_id
    assert processed.context.parent_id == sent.context.span_id
    assert [link.span_id for link in processed.links] == [sent.context.span_id]
    assert went_on.context.parent_id == processed.context.span_id
    assert (sent.kind, processed.kind) == ("producer", "consumer")
    assert processed.attributes == {
        "messaging.system": "sqlite",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": IN,
        "messaging.consumer.group.name": GROUP,
        "messaging.destination.partition.id": processed.attributes["messaging.destination.partition.id"],
        "messaging.kafka.offset": 0,
        "messaging.message.id": processed.attributes["messaging.message.id"],
    }


def test_events_that_are_read_together_keep_their_own_traces(traced: Traced) -> None:
    calls = [traced.submit(name) for name in "abc"]
    with traced.worker(propose) as worker:
        worker.step()

    assert {span.context.trace_id for span in traced.named(f"process {IN}")} == {
        call.trace_id for call in calls
    }


def test_an_event_is_sent_when_it_is_durable(traced: Traced) -> None:
    traced.submit("a")
    traced.bench.log.errors = [Unavailable("no disk")]
    with traced.worker(propose) as worker:
        worker.step()
        assert not traced.named(f"send {OUT}")
        traced.bench.time.pass_time(1.0)
        worker.step()

    assert [span.error for span in traced.named(f"send {OUT}")] == [""]


def test_each_attempt_has_a_span_that_says_how_it_ended(traced: Traced) -> None:
    errors: list[Exception] = [Unavailable("asleep"), NotFound("no such image", reason="NO_OBJECT")]

    def handler(_: ImageSubmitted) -> RegionsProposed:
        raise errors.pop(0)

    traced.submit("a")
    with traced.worker(handler) as worker:
        worker.step()
        traced.bench.time.pass_time(1.0)
        worker.step()

    found = traced.named(f"process {IN}")
    assert [span.error for span in found] == ["Unavailable", "NotFound"]
    assert found[1].attributes["fovea.error.reason"] == "NO_OBJECT"


def test_a_refused_announcement_says_so(traced: Traced) -> None:
    traced.bench.log.errors = [Unavailable("no disk")]
    token = tracing.enter(tracing.begin(None, traced.tracer))
    with pytest.raises(Unavailable):
        traced.bench.submit("a")
    tracing.restore(token)

    assert [span.error for span in traced.named(f"send {IN}")] == ["Unavailable"]


def test_an_event_of_a_trace_that_is_not_sampled_has_no_span(traced: Traced) -> None:
    traced.bench.submit("a")
    header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    token = tracing.enter(tracing.parse(header) or pytest.fail("no trace"))
    traced.bench.submit("b")
    tracing.restore(token)
    with traced.worker(propose) as worker:
        worker.step()

    assert {span.context.trace_id for span in traced.spans}.isdisjoint({header.split("-")[1]})
