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
from services.gateway.domain.versions import Applied
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.entrypoints.version_servicer import VersionServicer
from services.gateway.ports import Pending
from services.kernel.errors import InvalidInput, NotFound, Unavailable, Unsupported
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Exemplar, ExemplarKind, ImageReference, SpaceVote
from services.runtime.grpc_server import Servicer
from tests.fakes.gateway import InMemoryTeacher, task
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.serving import served

KEY = envelope_pb2.CollectionKey(tenant="default", collection="default")
SPRING = versions_pb2.MemoryState(version="spring")
TIMEOUT_S = 10.0


@pytest.fixture
def case() -> GatewayCase:
    return GatewayCase()


@pytest.fixture
def stub(case: GatewayCase) -> Iterator[Any]:
    with _served(case, available=True) as channel:
        yield versions_pb2_grpc.VersionServiceStub(channel)


def _served(case: GatewayCase, *, available: bool) -> Any:
    servicer = VersionServicer(case.version_cases(), SharedLog(available=available))
    add = versions_pb2_grpc.add_VersionServiceServicer_to_server
    return served(Servicer("fovea.gateway.v1.VersionService", add, servicer))


def _taught(case: GatewayCase, *ids: str, label: str = "robin") -> None:
    case.retriever.exemplars += [
        Exemplar(each, label, ExemplarKind.IMAGE, image=_image(case, each)) for each in ids
    ]


def _image(case: GatewayCase, name: str) -> ImageReference:
    key = f"default/images/default/{name}"
    case.images.store(key, b"pixels")
    return ImageReference("0" * 64, key, "image/png", 6, 4, 4)


def _memory(case: GatewayCase) -> dict[str, str]:
    return {each.exemplar_id: each.label for each in case.retriever.exemplars}


def _apply(case: GatewayCase, *, dry_run: bool = False) -> list[Applied]:
    return list(case.version_cases().apply(DEFAULT_COLLECTION, SPRING, dry_run=dry_run))


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


def test_a_revert_makes_the_memory_what_it_was(case: GatewayCase, stub: Any) -> None:
    _taught(case, "a", "b", "c")
    stub.KeepVersion(pb.KeepVersionRequest(collection=KEY, name="spring"), timeout=TIMEOUT_S)
    before = _memory(case)
    case.retriever.exemplars[:] = [each for each in case.retriever.exemplars if each.exemplar_id != "b"]
    _taught(case, "d", label="wren")

    (*_, dry) = stub.ApplyState(
        pb.ApplyStateRequest(collection=KEY, to=SPRING, dry_run=True), timeout=TIMEOUT_S
    )
    assert (dry.restored, dry.forgotten, dry.failed) == (1, 1, 0)
    assert _memory(case) != before
    assert case.teacher.changes == []

    (*_, done) = stub.ApplyState(pb.ApplyStateRequest(collection=KEY, to=SPRING), timeout=TIMEOUT_S)
    assert (done.restored, done.forgotten, done.failed) == (1, 1, 0)
    assert done.memory_version == case.teacher.memory_version()
    assert _memory(case) == before
    assert _apply(case)[-1].restored == 0


def test_the_difference_is_found_in_a_memory_that_holds_all_that_is_durable(case: GatewayCase) -> None:
    case.shelf.kept["spring"] = {}
    _taught(case, "a")

    _apply(case)

    assert case.shelf.calls[0] == ("difference", DEFAULT_COLLECTION, "spring", "v1.0-0")


def test_a_large_difference_goes_in_parts_and_each_says_how_far_it_is(case: GatewayCase) -> None:
    _taught(case, *(f"x{number:04}" for number in range(600)))
    case.shelf.kept["spring"] = {}

    applied = _apply(case)

    assert [each.forgotten for each in applied] == [256, 512, 600, 600]
    assert [len(batch) for batch in case.teacher.batches] == [256, 256, 88]


def test_one_that_cannot_be_brought_back_is_counted_and_the_others_are(case: GatewayCase, stub: Any) -> None:
    old = Exemplar("old", "tit", ExemplarKind.NAME, text="tit")
    case.shelf.kept["spring"] = {"old": old, "ok": Exemplar("ok", "wren", ExemplarKind.NAME, text="wren")}
    case.teacher.errors["tit"] = InvalidInput(
        "no such encoder runs", field="embeddings", reason="UNKNOWN_ENCODER"
    )

    (*_, done) = stub.ApplyState(pb.ApplyStateRequest(collection=KEY, to=SPRING), timeout=TIMEOUT_S)

    assert (done.restored, done.failed, done.failure.reason) == (1, 1, "UNKNOWN_ENCODER")
    assert _memory(case) == {"ok": "wren"}


def test_a_revert_that_is_broken_off_is_completed_by_the_next(case: GatewayCase) -> None:
    _taught(case, "a")
    case.shelf.kept["spring"] = {"b": Exemplar("b", "wren", ExemplarKind.NAME, text="wren")}
    case.teacher.errors["wren"] = Unavailable("encoding is down")
    with pytest.raises(Unavailable):
        _apply(case)

    case.teacher.errors.clear()
    _apply(case)

    assert _memory(case) == {"b": "wren"}


def test_what_is_erased_during_a_revert_does_not_come_back(case: GatewayCase) -> None:
    """The erasing lies between the finding of the difference and its publishing, the worst moment."""
    _taught(case, "a", "b")
    case.shelf.kept["spring"] = {each.exemplar_id: each for each in case.retriever.exemplars}
    case.retriever.exemplars.clear()

    class Erasing(InMemoryTeacher):
        begun = False

        def submit(self, changes: Sequence[Change]) -> Sequence[Pending]:
            if not self.begun:
                self.begun = True
                case.erase(DEFAULT_COLLECTION, exemplar_ids=["b"])
            return super().submit(changes)

    case.teacher = Erasing(case.retriever)
    _apply(case)

    assert _memory(case) == {"a": "robin"}


def test_erasing_marks_before_it_forgets_and_deletes_the_image(case: GatewayCase) -> None:
    _taught(case, "a", "b")
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
    assert _memory(case) == {"b": "robin"}


def test_a_label_is_erased_over_as_many_pages_as_it_has(case: GatewayCase) -> None:
    _taught(case, *(f"r{number:04}" for number in range(LIMITS.page_size + 1)))
    _taught(case, "w", label="wren")

    assert case.erase(DEFAULT_COLLECTION, label="robin").count == LIMITS.page_size + 1

    assert _memory(case) == {"w": "wren"}
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


def test_nothing_can_be_applied_that_is_no_other_state_or_without_a_log(case: GatewayCase, stub: Any) -> None:
    with pytest.raises(InvalidInput, match="name a version or edits"):
        list(stub.ApplyState(pb.ApplyStateRequest(collection=KEY), timeout=TIMEOUT_S))
    with _served(case, available=False) as channel:
        lonely = versions_pb2_grpc.VersionServiceStub(channel)
        with pytest.raises(Unsupported):
            list(lonely.ApplyState(pb.ApplyStateRequest(collection=KEY, to=SPRING), timeout=TIMEOUT_S))


def test_nothing_is_kept_of_a_collection_that_is_deleted(case: GatewayCase) -> None:
    key = next(each.key for each in case.collections.list() if each.key != DEFAULT_COLLECTION)

    case.collection_cases().delete(key)

    assert case.shelf.calls == [("clear", key)]
