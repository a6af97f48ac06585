"""The spans of one image, through both doors, are one trace that names every service in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from services.encoding.settings import EncodingSettings
from tests.e2e.calls import Calls
from tests.e2e.pictures import png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually, unless_missing
from tests.fakes.collector import Collected, Collector, collecting

STAGES = ("segmentation", "encoding", "retrieval", "ranking")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def calls(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    settings = {"FOVEA_OTLP_ENDPOINT": collector.endpoint, "FOVEA_TRACE_RATIO": "1"}
    with Program("services.allinone", tmp_path_factory.mktemp("traced"), settings) as program:
        with Calls(program.target, collection="traced") as opened:
            opened.create_collection()
            opened.remember([("poppy", png("poppy", seed=1))])
            yield opened
        assert program.stop() == 0, program.log()[-4000:]


def edges(spans: Sequence[Collected]) -> set[tuple[str, str]]:
    """Return from which service to which the trace goes: from a parent's to its child's."""
    services = {span.span_id: span.service for span in spans}
    pairs = {(services[span.parent_id], span.service) for span in spans if span.parent_id in services}
    return {pair for pair in pairs if len(set(pair)) > 1}


def of_trace(collector: Collector, trace_id: str, **kinds: int) -> list[Collected]:
    """Return the spans of a trace once there are so many of some kinds."""

    def look() -> list[Collected] | None:
        spans = [span for span in collector.spans if span.trace_id == trace_id]
        return spans if Counter(kinds) <= Counter(span.kind for span in spans) else None

    return eventually(look)


def test_a_call_that_waits_is_one_trace_from_the_gateway_to_each_service(
    collector: Collector, calls: Calls
) -> None:
    record = calls.recognize(png("poppy", seed=2))

    spans = of_trace(collector, record.envelope.trace_id, server=5)
    assert edges(spans) >= {("gateway", stage) for stage in STAGES}
    called = [span for span in spans if span.kind == "client" and span.name.startswith("fovea.")]
    assert [span.name.split(".")[1] for span in called] == list(STAGES)
    forwards = {span.name for span in spans if span.name.startswith("forward ")}
    assert f"forward {EncodingSettings().image_model}" in forwards
    assert {"store get", "store put_if_absent"} <= {span.name for span in spans}
    assert not [span for span in spans if span.failed]


def test_an_image_that_streams_is_one_trace_from_the_gateway_through_every_service_and_back(
    collector: Collector, calls: Calls
) -> None:
    list(calls.submit({"streamed": png("poppy", seed=3), "beside": png("poppy", seed=4)}))
    first = eventually(lambda: unless_missing(lambda: calls.recognition("streamed"))).envelope.trace_id
    second = eventually(lambda: unless_missing(lambda: calls.recognition("beside"))).envelope.trace_id
    assert first != second

    spans = of_trace(collector, first, producer=5, consumer=5)

    assert edges(spans) == {
        ("gateway", "segmentation"),
        ("segmentation", "encoding"),
        ("encoding", "retrieval"),
        ("retrieval", "ranking"),
        ("ranking", "gateway"),
    }
    sent = {span.span_id: span for span in spans if span.kind == "producer"}
    processed = [span for span in spans if span.kind == "consumer"]
    assert len(processed) == len(sent) == 5
    for span in processed:
        assert span.links == (span.parent_id,)
        assert sent[span.parent_id].attributes["messaging.destination.name"] in span.name
    (item,) = [span for span in spans if span.name == "stream item"]
    assert item.parent_id == ""
    assert len(item.links) == 1


def test_teaching_is_one_trace_as_well(collector: Collector, calls: Calls) -> None:
    calls.remember([("fern", png("fern", seed=5))])

    def look() -> Collected | None:
        found = [span for span in collector.spans if span.name == "process exemplars.submitted"]
        return found[1] if len(found) > 1 else None

    trace_id = eventually(look).trace_id
    spans = of_trace(collector, trace_id, producer=2)
    assert ("gateway", "encoding") in edges(spans)


def test_a_failed_call_is_said_in_its_span(collector: Collector, calls: Calls) -> None:
    assert unless_missing(lambda: calls.recognition("unheard-of")) is None

    def look() -> Collected | None:
        name = "fovea.gateway.v1.GatewayService/GetRecognition"
        codes = [span for span in collector.spans if span.name == name]
        return next((s for s in codes if s.attributes["rpc.response.status_code"] == "NOT_FOUND"), None)

    assert eventually(look).service == "gateway"
