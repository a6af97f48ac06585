"""Reverting a memory to a version, over fakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from fovea.gateway.v1 import versions_pb2 as pb
from fovea.gateway.v1 import versions_pb2_grpc
from services.gateway.domain.collections import DEFAULT_COLLECTION
from services.gateway.domain.teaching import Change
from services.gateway.domain.versions import Applied
from services.gateway.ports import Pending
from services.kernel.errors import InvalidInput, Unavailable, Unsupported
from services.kernel.vocabulary import Exemplar, ExemplarKind
from tests.fakes.gateway import InMemoryTeacher
from tests.fakes.gateway_case import GatewayCase
from tests.unit.gateway.reverting import KEY, SPRING, TIMEOUT_S, labels_by_id, served_versions, taught


@pytest.fixture
def stub(case: GatewayCase) -> Iterator[Any]:
    with served_versions(case, available=True) as channel:
        yield versions_pb2_grpc.VersionServiceStub(channel)


def _apply(case: GatewayCase, *, dry_run: bool = False) -> list[Applied]:
    return list(case.version_cases().apply(DEFAULT_COLLECTION, SPRING, dry_run=dry_run))


def test_a_revert_makes_the_memory_what_it_was(case: GatewayCase, stub: Any) -> None:
    taught(case, "a", "b", "c")
    stub.KeepVersion(pb.KeepVersionRequest(collection=KEY, name="spring"), timeout=TIMEOUT_S)
    before = labels_by_id(case)
    case.retriever.exemplars[:] = [each for each in case.retriever.exemplars if each.exemplar_id != "b"]
    taught(case, "d", label="wren")

    (*_, dry) = stub.ApplyState(
        pb.ApplyStateRequest(collection=KEY, to=SPRING, dry_run=True), timeout=TIMEOUT_S
    )
    assert (dry.restored, dry.forgotten, dry.failed) == (1, 1, 0)
    assert labels_by_id(case) != before
    assert case.teacher.changes == []

    (*_, done) = stub.ApplyState(pb.ApplyStateRequest(collection=KEY, to=SPRING), timeout=TIMEOUT_S)
    assert (done.restored, done.forgotten, done.failed) == (1, 1, 0)
    assert done.memory_version == case.teacher.memory_version()
    assert labels_by_id(case) == before
    assert _apply(case)[-1].restored == 0


def test_the_difference_is_found_in_a_memory_that_holds_all_that_is_durable(case: GatewayCase) -> None:
    case.shelf.kept["spring"] = {}
    taught(case, "a")

    _apply(case)

    assert case.shelf.calls[0] == ("difference", DEFAULT_COLLECTION, "spring", "v1.0-0")


def test_a_large_difference_goes_in_parts_and_each_says_how_far_it_is(case: GatewayCase) -> None:
    taught(case, *(f"x{number:04}" for number in range(600)))
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
    assert labels_by_id(case) == {"ok": "wren"}


def test_a_revert_that_is_broken_off_is_completed_by_the_next(case: GatewayCase) -> None:
    taught(case, "a")
    case.shelf.kept["spring"] = {"b": Exemplar("b", "wren", ExemplarKind.NAME, text="wren")}
    case.teacher.errors["wren"] = Unavailable("encoding is down")
    with pytest.raises(Unavailable):
        _apply(case)

    case.teacher.errors.clear()
    _apply(case)

    assert labels_by_id(case) == {"b": "wren"}


def test_what_is_erased_during_a_revert_does_not_come_back(case: GatewayCase) -> None:
    """The erasing lies between the finding of the difference and its publishing, the worst moment."""
    taught(case, "a", "b")
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

    assert labels_by_id(case) == {"a": "robin"}


def test_nothing_can_be_applied_that_is_no_other_state_or_without_a_log(case: GatewayCase, stub: Any) -> None:
    with pytest.raises(InvalidInput, match="name a version or edits"):
        list(stub.ApplyState(pb.ApplyStateRequest(collection=KEY), timeout=TIMEOUT_S))
    with served_versions(case, available=False) as channel:
        lonely = versions_pb2_grpc.VersionServiceStub(channel)
        with pytest.raises(Unsupported):
            list(lonely.ApplyState(pb.ApplyStateRequest(collection=KEY, to=SPRING), timeout=TIMEOUT_S))
