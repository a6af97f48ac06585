"""The gateway's memory over a real gRPC server, with fakes behind the ports."""

from __future__ import annotations

import struct

import pytest

from fovea.gateway.v1 import (
    gateway_pb2,
    memory_pb2,
)
from fovea.kernel.v1 import (
    audit_pb2,
    envelope_pb2,
    image_pb2,
)
from services.gateway.domain.collections import DEFAULT_COLLECTION
from services.kernel.errors import InvalidInput, NotFound
from tests.fakes.gateway import picture
from tests.fakes.gateway_case import GatewayCase
from tests.unit.gateway.entrypoints.stubs import (
    TIMEOUT_S,
    a_lesson,
    a_task,
    an_import,
    gateway_of,
    memory_of,
    until,
)


def test_lessons_are_answered_in_order_with_a_memory_version_or_their_failure(case: GatewayCase) -> None:
    case.teacher.errors["damaged"] = InvalidInput("cut off", field="image", reason="IMAGE_DAMAGED")
    requests = [
        a_lesson(image=picture()),
        a_lesson(image=b"text"),
        a_lesson("damaged", image=picture()),
        a_lesson("two\nlines", name="x"),
        a_lesson("wren", name=""),
        a_lesson("wren"),
        a_lesson("wren", attribute="short tail", exemplar_id="mine"),
    ]
    with memory_of(case) as stub:
        answers = list(stub.Remember(iter(requests), timeout=TIMEOUT_S))

    found = [answer.failure.reason or "ok" for answer in answers]
    assert found == [
        "ok", "IMAGE_FORMAT_UNKNOWN", "IMAGE_DAMAGED", "TEXT_NOT_PRINTABLE", "ok", "CONTENT_MISSING", "ok",
    ]  # fmt: skip
    assert answers[0].memory_version
    assert answers[6].exemplar_id == "mine"
    taught = [(each.label, each.text) for each in case.retriever.exemplars]
    assert taught == [("robin", ""), ("wren", "wren"), ("wren", "short tail")]


def test_lessons_are_taught_in_the_order_of_the_stream(case: GatewayCase) -> None:
    requests = [a_lesson(f"label {i}", image=picture(), exemplar_id="one") for i in range(50)]
    with memory_of(case) as stub:
        answers = list(stub.Remember(iter(requests), timeout=TIMEOUT_S))

    assert [answer.WhichOneof("result") for answer in answers] == ["memory_version"] * 50
    labels = [change.exemplar.label for change in case.teacher.changes if change.exemplar]
    assert labels == [f"label {i}" for i in range(50)]


def test_a_window_of_lessons_is_on_its_way_before_the_first_is_durable(case: GatewayCase) -> None:
    case.teacher.gate.clear()
    with memory_of(case, window=32) as stub:
        answers = stub.Remember((a_lesson(name=str(i)) for i in range(100)), timeout=TIMEOUT_S)
        until(lambda: len(case.teacher.changes) >= 32)
        on_their_way = len(case.teacher.changes)
        case.teacher.gate.set()
        count = sum(1 for _ in answers)

    assert (on_their_way, count) == (32, 100)


def test_an_import_is_answered_in_order_and_goes_on_after_a_failure(case: GatewayCase) -> None:
    case.teacher.errors["strange"] = InvalidInput("?", field="embeddings", reason="UNKNOWN_ENCODER")
    requests = [
        an_import(),
        an_import("strange"),
        an_import("a", text=""),
        an_import("b", exemplar_id="no id"),
        an_import("c", image=image_pb2.ImageReference(digest="../../acme/images/birds/secret")),
        an_import("d", image=image_pb2.ImageReference(digest="a" * 64, media_type="text/html")),
        an_import("e"),
    ]
    requests[6].exemplar.embeddings[0].vector = struct.pack("<3f", 1, float("nan"), 0)
    requests.append(an_import("f"))
    with memory_of(case) as stub:
        answers = list(stub.ImportExemplars(iter(requests), timeout=TIMEOUT_S))

    found = [answer.failure.reason or "ok" for answer in answers]
    assert found == [
        "ok", "UNKNOWN_ENCODER", "TEXT_EMPTY", "ID_INVALID", "DIGEST_INVALID", "MEDIA_TYPE_INVALID",
        "EMBEDDING_INVALID", "ok",
    ]  # fmt: skip
    assert answers[6].failure.field == "exemplar.embeddings[0].vector"
    assert [answer.exemplar_id for answer in answers[:2]] == ["robin", "strange"]
    (taken,) = case.teacher.changes[0].embeddings
    assert (taken.encoder, list(taken.vector)) == ("letters@1", [1, 0, 0])


def test_exemplars_are_forgotten_corrected_listed_and_exported(case: GatewayCase) -> None:
    with gateway_of(case) as gateway:
        gateway.Recognize(gateway_pb2.RecognizeRequest(task=a_task(recognition_id="r1")), timeout=TIMEOUT_S)
    with memory_of(case) as stub:
        correction = memory_pb2.CorrectRequest(recognition_id="r1", region_id="0", label="dunnock")
        corrected = stub.Correct(correction, timeout=TIMEOUT_S)
        labels = stub.ListLabels(memory_pb2.ListLabelsRequest(), timeout=TIMEOUT_S).labels
        listed = stub.ListExemplars(memory_pb2.ListExemplarsRequest(page_size=1), timeout=TIMEOUT_S)
        exported = list(stub.ExportExemplars(memory_pb2.ExportExemplarsRequest(), timeout=TIMEOUT_S))
        forgotten = stub.Forget(
            memory_pb2.ForgetRequest(exemplar_ids=[corrected.exemplar_id]), timeout=TIMEOUT_S
        )

    assert [(each.label, each.exemplars) for each in labels] == [("dunnock", 1)]
    assert listed.exemplars[0] == exported[0].exemplar.exemplar
    assert forgotten.forgotten == 1
    assert case.retriever.exemplars == []


def test_an_audit_is_asked_of_a_collection_that_exists(case: GatewayCase) -> None:
    policy = audit_pb2.AuditPolicy(duplicate=0.9)
    strange = envelope_pb2.CollectionKey(tenant="acme", collection="nowhere")
    with memory_of(case) as stub:
        (told,) = stub.AuditMemory(memory_pb2.AuditMemoryRequest(policy=policy), timeout=TIMEOUT_S)
        with pytest.raises(NotFound):
            list(stub.AuditMemory(memory_pb2.AuditMemoryRequest(collection=strange), timeout=TIMEOUT_S))

    assert told.entry.summary.memory_version == "v1"
    asked = audit_pb2.AuditPolicy(duplicate=0.9, space="visual")  # the space that answers
    assert case.retriever.audits == [(DEFAULT_COLLECTION, asked, "")]
