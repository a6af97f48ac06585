"""Versions, query sets, states and erasing, over fakes and through a real gRPC server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from fovea.gateway.v1 import versions_pb2 as pb
from fovea.gateway.v1 import versions_pb2_grpc
from fovea.kernel.v1 import envelope_pb2, versions_pb2
from services.gateway.domain.collections import DEFAULT_COLLECTION, Collection
from services.gateway.domain.teaching import Change
from services.gateway.ports import Pending
from services.kernel.errors import InvalidInput, NotFound
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import SpaceVote
from tests.fakes.gateway import InMemoryTeacher, task
from tests.fakes.gateway_case import GatewayCase
from tests.unit.gateway.reverting import KEY, SPRING, TIMEOUT_S, labels_by_id, served_versions, taught


@pytest.fixture
def stub(case: GatewayCase) -> Iterator[Any]:
    with served_versions(case, available=True) as channel:
        yield versions_pb2_grpc.VersionServiceStub(channel)


def test_a_version_holds_at_least_what_is_durable(case: GatewayCase, stub: Any) -> None:
    kept = stub.KeepVersion(
        pb.KeepVersionRequest(collection=KEY, name="spring", description="all"), timeout=TIMEOUT_S
    ).version

    assert (kept.name, kept.description) == ("spring", "all")
    assert case.shelf.calls == [("keep", DEFAULT_COLLECTION, "spring", "all", case.teacher.memory_version())]
    listed = stub.ListVersions(pb.ListVersionsRequest(collection=KEY), timeout=TIMEOUT_S).versions
    assert [each.name for each in listed] == ["spring"]
    stub.DeleteVersion(pb.DeleteVersionRequest(collection=KEY, name="spring"), timeout=TIMEOUT_S)
    with pytest.raises(NotFound, match="no version spring"):
        stub.DeleteVersion(pb.DeleteVersionRequest(collection=KEY, name="spring"), timeout=TIMEOUT_S)


def test_erasing_marks_before_it_forgets_and_deletes_the_image(case: GatewayCase) -> None:
    taught(case, "a", "b")
    seen: list[int] = []

    class Watching(InMemoryTeacher):
        def submit(self, changes: Sequence[Change]) -> Sequence[Pending]:
            seen.append(len(case.shelf.marks))
            return super().submit(changes)

    case.teacher = Watching(case.retriever)

    forgotten = case.erase(DEFAULT_COLLECTION, exemplar_ids=["a", "only in a version"])

    assert forgotten.count == 1
    assert seen == [1]
    ids = ("a", "only in a version")
    assert case.shelf.marks == [(ids, ""), (ids, forgotten.memory_version)]
    assert set(case.images.kept) == {"default/images/default/b"}
    assert labels_by_id(case) == {"b": "robin"}


def test_a_label_is_erased_over_as_many_pages_as_it_has(case: GatewayCase) -> None:
    taught(case, *(f"r{number:04}" for number in range(LIMITS.page_size + 1)))
    taught(case, "w", label="wren")

    assert case.erase(DEFAULT_COLLECTION, label="robin").count == LIMITS.page_size + 1

    assert labels_by_id(case) == {"w": "wren"}
    assert len(case.shelf.erased_ids) == LIMITS.page_size + 1
    assert len(case.images.kept) == 1


@pytest.mark.parametrize(
    ("ids", "label"), [((), ""), (("a",), "robin"), (("x",) * (LIMITS.forgotten_per_request + 1), "")]
)
def test_erasing_nothing_both_or_too_much_marks_nothing(
    case: GatewayCase, ids: tuple[str, ...], label: str
) -> None:
    with pytest.raises(InvalidInput):
        case.erase(DEFAULT_COLLECTION, exemplar_ids=ids, label=label)

    assert case.shelf.marks == []


def test_a_comparison_uses_the_collections_options(case: GatewayCase, stub: Any) -> None:
    vote = SpaceVote("visual", 2.0, 0.07, 0.5)
    case.collections.change(Collection(DEFAULT_COLLECTION, votes=(vote,), unknown_threshold=0.25))
    changed = versions_pb2.ComparisonEntry(changed=versions_pb2.ChangedAnswer(query_id="q"))
    case.shelf.entries = [changed]

    answers = list(
        stub.CompareStates(
            pb.CompareStatesRequest(
                collection=KEY, before=SPRING, queries="gold", min_memory_version="v1.0-3"
            ),
            timeout=TIMEOUT_S,
        )
    )

    assert [answer.entry for answer in answers] == [changed]
    ((_, collection, before, after, queries, options),) = case.shelf.calls
    assert (collection, before, after, queries) == (
        DEFAULT_COLLECTION,
        SPRING,
        versions_pb2.MemoryState(),
        "gold",
    )
    assert vote in options.votes  # type: ignore[attr-defined]
    assert options.unknown_threshold == 0.25  # type: ignore[attr-defined]
    assert options.min_memory_version == "v1.0-3"  # type: ignore[attr-defined]


def test_a_recognition_becomes_a_question_as_it_was_asked(case: GatewayCase, stub: Any) -> None:
    record = case.recognize(task(recognition_id="r1"))
    request = pb.KeepQueriesRequest(
        collection=KEY,
        name="gold",
        sample=versions_pb2.FewShotSample(seed=7),
        exemplar_ids=["a"],
        recognitions=[pb.RecognizedQuery(recognition_id="r1", right_label="dunnock")],
    )

    stub.KeepQueries(request, timeout=TIMEOUT_S)

    ((wanted, (query,)),) = case.shelf.wanted
    assert (wanted.name, wanted.sample, wanted.exemplar_ids) == ("gold", (2, 7), ("a",))
    assert (query.query_id, query.right_label) == ("r1/0", "dunnock")
    (asked,) = case.encoder.encode(
        record.envelope.image, [record.regions[0].region], spaces=("visual",)
    ).regions
    assert [each.space for each in query.region.embeddings] == [each.space for each in asked.embeddings]


@pytest.mark.parametrize(
    ("query", "error", "field"),
    [
        (pb.RecognizedQuery(recognition_id="r2"), NotFound, "recognitions[0].recognition_id"),
        (pb.RecognizedQuery(recognition_id="r1", region_id="9"), InvalidInput, "recognitions[0].region_id"),
    ],
)
def test_a_recognition_that_is_not_there_is_named(
    case: GatewayCase, stub: Any, query: pb.RecognizedQuery, error: type[Exception], field: str
) -> None:
    case.recognize(task(recognition_id="r1"))

    with pytest.raises(error) as refused:
        stub.KeepQueries(
            pb.KeepQueriesRequest(collection=KEY, name="gold", recognitions=[query]), timeout=TIMEOUT_S
        )

    assert refused.value.field == field  # type: ignore[attr-defined]


def test_every_method_refuses_a_collection_that_there_is_not(stub: Any) -> None:
    nowhere = envelope_pb2.CollectionKey(tenant="acme", collection="none")
    for call in (
        lambda: stub.KeepVersion(pb.KeepVersionRequest(collection=nowhere, name="x"), timeout=TIMEOUT_S),
        lambda: stub.ListVersions(pb.ListVersionsRequest(collection=nowhere), timeout=TIMEOUT_S),
        lambda: stub.DeleteVersion(pb.DeleteVersionRequest(collection=nowhere, name="x"), timeout=TIMEOUT_S),
        lambda: stub.KeepQueries(pb.KeepQueriesRequest(collection=nowhere, name="x"), timeout=TIMEOUT_S),
        lambda: stub.ListQuerySets(pb.ListQuerySetsRequest(collection=nowhere), timeout=TIMEOUT_S),
        lambda: stub.DeleteQuerySet(pb.DeleteQuerySetRequest(collection=nowhere), timeout=TIMEOUT_S),
        lambda: list(stub.CompareStates(pb.CompareStatesRequest(collection=nowhere), timeout=TIMEOUT_S)),
        lambda: list(stub.ApplyState(pb.ApplyStateRequest(collection=nowhere, to=SPRING), timeout=TIMEOUT_S)),
    ):
        with pytest.raises(NotFound, match="no collection acme/none"):
            call()


def test_nothing_is_kept_of_a_collection_that_is_deleted(case: GatewayCase) -> None:
    key = next(each.key for each in case.collections.list() if each.key != DEFAULT_COLLECTION)

    case.collection_cases().delete(key)

    assert case.shelf.calls == [("clear", key)]
