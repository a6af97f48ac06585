from __future__ import annotations

from datetime import UTC, datetime

import pytest

import fovea
from fovea.client import (
    Applied,
    Comparison,
    MemoryVersion,
    NotFound,
    QueryAnswer,
    RecognizedQuery,
    Share,
    Unavailable,
)
from fovea.kernel.v1 import versions_pb2
from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble


def test_a_version_is_kept_listed_and_deleted(server: FakeServer, client: fovea.Client) -> None:
    kept = client.keep_version("spring", description="all")

    created = datetime.fromtimestamp(1_700_000_000, UTC)
    assert kept == MemoryVersion("spring", "all", created, 3, 1, "v1")
    assert client.versions() == (kept,)
    client.delete_version("spring")
    assert client.versions() == ()
    with pytest.raises(NotFound, match="there are spring"):
        client.delete_version("spring")
    (request,) = server.script.requests["KeepVersion"]
    assert request.min_memory_version == ""  # the gateway takes all that is durable


def test_a_query_set_is_made_of_all_that_is_given(server: FakeServer, client: fovea.Client) -> None:
    recognized = RecognizedQuery("r1", "robin", "2")

    kept = client.keep_queries("gold", per_label=2, seed=7, exemplar_ids=["a"], recognitions=[recognized])

    (request,) = server.script.requests["KeepQueries"]
    assert (request.sample.per_label, request.sample.seed) == (2, 7)
    assert list(request.exemplar_ids) == ["a"]
    (asked,) = request.recognitions
    assert (asked.recognition_id, asked.region_id, asked.right_label) == ("r1", "2", "robin")
    assert client.query_sets() == (kept,)
    client.delete_query_set("gold")
    assert client.query_sets() == ()


def test_without_a_sample_none_is_drawn(server: FakeServer, client: fovea.Client) -> None:
    client.keep_queries("gold", exemplar_ids=["a"])

    assert not server.script.requests["KeepQueries"][0].HasField("sample")


def test_a_comparison_says_what_changed_and_how_many(server: FakeServer, client: fovea.Client) -> None:
    compared = client.compare("gold", before="spring")

    assert isinstance(compared, Comparison)
    assert [(each.query_id, each.verdict) for each in compared.changed] == [
        ("q0", "mended"),
        ("q1", "broken"),
    ]
    assert compared.changed[1].after == QueryAnswer("", 0.8, 0.0)
    assert compared.same == Share(6, 8, 0.25, 0.75)
    assert compared.same.share == 0.75
    (request,) = server.script.requests["CompareStates"]
    assert (request.before.version, request.after, request.queries) == (
        "spring",
        versions_pb2.MemoryState(),
        "gold",
    )


def test_a_proposal_is_compared_with_the_memory_as_it_stands(
    server: FakeServer, client: fovea.Client
) -> None:
    client.propose({"a": "robin", "b": None}, "gold")

    (request,) = server.script.requests["CompareStates"]
    assert request.before == versions_pb2.MemoryState()
    relabelled, forgotten = request.after.edits.edits
    assert (relabelled.exemplar_id, relabelled.label) == ("a", "robin")
    assert (forgotten.exemplar_id, forgotten.forget) == ("b", True)


def test_a_revert_tells_how_far_it_is_and_is_seen_by_later_reads(
    server: FakeServer, client: fovea.Client
) -> None:
    first, last = client.revert("spring", dry_run=True)

    assert first == Applied(restored=1, memory_version="v1.0-8")
    assert last == Applied(restored=1, forgotten=2, memory_version="v1.0-9")
    (request,) = server.script.requests["ApplyState"]
    assert (request.to.version, request.dry_run) == ("spring", True)
    client.labels()
    assert server.script.requests["ListLabels"][0].min_memory_version == "v1.0-9"


def test_what_could_not_be_brought_back_carries_the_reason(server: FakeServer, client: fovea.Client) -> None:
    server.versions.fails = True

    *_, last = client.apply({"a": None})

    assert last.failed == 1
    assert last.failure is not None
    assert last.failure.reason == "UNKNOWN_ENCODER"


def test_a_stream_that_breaks_is_an_error_of_the_client(server: FakeServer, client: fovea.Client) -> None:
    server.script.plan("ApplyState", Trouble(reason="GONE"))

    with pytest.raises(Unavailable) as failed:
        list(client.revert("spring"))

    assert failed.value.reason == "GONE"


def test_erasing_is_asked_for(server: FakeServer, client: fovea.Client) -> None:
    client.forget(["a"], erase=True)
    client.forget(["a"])

    assert [request.erase for request in server.script.requests["Forget"]] == [True, False]
