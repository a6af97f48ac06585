"""The gateway's three services over a real gRPC server, with fakes behind the ports."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from fovea.gateway.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    gateway_pb2,
    gateway_pb2_grpc,
    memory_pb2,
    memory_pb2_grpc,
)
from fovea.kernel.v1 import (
    audit_pb2,
    embedding_pb2,
    envelope_pb2,
    exemplar_pb2,
    image_pb2,
    prompt_pb2,
    recognition_pb2,
    region_pb2,
)
from services.gateway.codec.recognition import write_recognition
from services.gateway.domain.collections import DEFAULT_COLLECTION
from services.gateway.domain.recognition import Recognition, RecognitionState
from services.gateway.entrypoints.memory_servicer import MemoryServicer
from services.gateway.entrypoints.servicer import CollectionServicer, GatewayServicer
from services.gateway.entrypoints.shared_log import SharedLog
from services.kernel.errors import Conflict, FoveaError, InvalidInput, NotFound, Unavailable, Unsupported
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Box, Mask, Region, RegionOrigin
from services.runtime.grpc_server import Servicer
from services.runtime.stream_workers import Workers
from tests.fakes.gateway import InMemoryEndings, picture, task
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.serving import served

TIMEOUT_S = 10.0
FULL_NAME = "fovea.gateway.v1."


@pytest.fixture
def case() -> GatewayCase:
    return GatewayCase()


@contextmanager
def _workers() -> Iterator[Workers]:
    workers = Workers(threads=16, item_timeout_s=5.0)
    yield workers
    workers.close()


@contextmanager
def _gateway(case: GatewayCase, *, shared: bool = True) -> Iterator[Any]:
    with _workers() as workers:
        servicer = GatewayServicer(case.recognition_cases(), workers, SharedLog(available=shared))
        add = gateway_pb2_grpc.add_GatewayServiceServicer_to_server
        with served(Servicer(FULL_NAME + "GatewayService", add, servicer)) as channel:
            yield gateway_pb2_grpc.GatewayServiceStub(channel)


@contextmanager
def _memory(case: GatewayCase, *, shared: bool = True, window: int = 32) -> Iterator[Any]:
    with _workers() as workers:
        servicer = MemoryServicer(case.memory_cases(), workers, SharedLog(available=shared), window=window)
        add = memory_pb2_grpc.add_MemoryServiceServicer_to_server
        with served(Servicer(FULL_NAME + "MemoryService", add, servicer)) as channel:
            yield memory_pb2_grpc.MemoryServiceStub(channel)


@contextmanager
def _collections(case: GatewayCase, *, shared: bool = True) -> Iterator[Any]:
    servicer = CollectionServicer(case.collection_cases(), SharedLog(available=shared))
    add = collections_pb2_grpc.add_CollectionServiceServicer_to_server
    with served(Servicer(FULL_NAME + "CollectionService", add, servicer)) as channel:
        yield collections_pb2_grpc.CollectionServiceStub(channel)


def _task(image: bytes | None = None, recognition_id: str = "", **more: Any) -> gateway_pb2.RecognitionTask:
    image = picture() if image is None else image
    return gateway_pb2.RecognitionTask(image=image, recognition_id=recognition_id, **more)


def _stream(*tasks: gateway_pb2.RecognitionTask) -> Iterator[gateway_pb2.RecognizeStreamRequest]:
    return (gateway_pb2.RecognizeStreamRequest(task=task) for task in tasks)


def test_one_image_is_recognised_and_its_record_found_again(case: GatewayCase) -> None:
    with _gateway(case) as stub:
        request = gateway_pb2.RecognizeRequest(task=_task(recognition_id="r1"))
        record = stub.Recognize(request, timeout=TIMEOUT_S).recognition
        found = stub.GetRecognition(gateway_pb2.GetRecognitionRequest(recognition_id="r1"), timeout=TIMEOUT_S)

    assert record.state == recognition_pb2.RECOGNITION_STATE_COMPLETED
    assert record.envelope.collection == envelope_pb2.CollectionKey(tenant="default", collection="default")
    assert len(record.envelope.trace_id) == 32
    assert found.recognition == record


def test_a_caller_who_asked_for_polygons_gets_them_wherever_the_record_is_shown_and_pixels_are_kept(
    case: GatewayCase,
) -> None:
    mask = Mask(6, 8, (7, 2, 4, 2, 33))
    case.segmenter.found = (Region("0", Box(1, 1, 3, 3), RegionOrigin.PROMPT, mask),)
    find = prompt_pb2.FindOptions(mask_format=region_pb2.MASK_FORMAT_POLYGONS)
    options = envelope_pb2.RecognitionOptions(prompts=[prompt_pb2.Prompt(name="owl")], find=find)
    asked = _task(recognition_id="r1", options=options)
    with _gateway(case) as stub:
        waited = stub.Recognize(gateway_pb2.RecognizeRequest(task=asked), timeout=TIMEOUT_S).recognition
        (streamed,) = stub.RecognizeStream(_stream(asked), timeout=TIMEOUT_S)
        found = stub.GetRecognition(gateway_pb2.GetRecognitionRequest(recognition_id="r1"), timeout=TIMEOUT_S)
    kept = case.recognitions.find("default", "r1")
    assert kept is not None
    case.endings = InMemoryEndings(kept)
    with _gateway(case) as stub:
        _, watched = stub.WatchRecognitions(gateway_pb2.WatchRecognitionsRequest(), timeout=TIMEOUT_S)

    (region,) = (each.region for each in waited.regions)
    assert not region.HasField("mask")
    (polygon,) = region.polygons
    assert [(point.x, point.y) for point in polygon.points] == [(1, 1), (3, 1), (3, 3), (1, 3)]
    assert streamed.recognition == found.recognition == watched.recognition == waited
    assert kept.regions[0].region.mask == mask
    assert write_recognition(kept).regions[0].region.mask.counts


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (_task(b"text"), "image"),
        (_task(recognition_id="a/b"), "recognition_id"),
        (_task(collection=envelope_pb2.CollectionKey(tenant="a/b")), "collection.tenant"),
        (_task(options=envelope_pb2.RecognitionOptions(size=0)), "options.size"),
        (
            _task(options=envelope_pb2.RecognitionOptions(min_memory_version="new")),
            "options.min_memory_version",
        ),
        (
            _task(options=envelope_pb2.RecognitionOptions(find=prompt_pb2.FindOptions(mask_format=7))),  # type: ignore[arg-type]
            "options.find.mask_format",
        ),
    ],
)
def test_a_wrong_field_is_named(case: GatewayCase, wrong: gateway_pb2.RecognitionTask, field: str) -> None:
    with _gateway(case) as stub, pytest.raises(InvalidInput) as refused:
        stub.Recognize(gateway_pb2.RecognizeRequest(task=wrong), timeout=TIMEOUT_S)

    assert refused.value.field == field


def test_a_stream_answers_in_order_and_goes_on_after_a_failure(case: GatewayCase) -> None:
    tasks = [_task(recognition_id=f"r{i}") for i in range(20)]
    tasks[3] = _task(b"text", "r3")
    with _gateway(case) as stub:
        answers = list(stub.RecognizeStream(_stream(*tasks), timeout=TIMEOUT_S))

    assert [answer.recognition_id for answer in answers] == [f"r{i}" for i in range(20)]
    kinds = [answer.WhichOneof("result") for answer in answers]
    assert kinds == ["recognition"] * 3 + ["failure"] + ["recognition"] * 16
    failure = answers[3].failure
    assert (failure.status, failure.reason) == ("INVALID_ARGUMENT", "IMAGE_FORMAT_UNKNOWN")
    assert failure.field == "image"


def test_an_unexpected_error_of_an_item_tells_its_trace_and_nothing_else(case: GatewayCase) -> None:
    case.encoder.error = ValueError("secret detail")
    with _gateway(case) as stub:
        (answer,) = stub.RecognizeStream(_stream(_task()), timeout=TIMEOUT_S)

    assert answer.failure.status == "INTERNAL"
    assert "secret" not in answer.failure.message
    assert "trace" in answer.failure.message


def test_no_more_items_than_the_window_are_worked_on(case: GatewayCase) -> None:
    gate = threading.Event()
    case.encoder.before = lambda: _wait(gate)
    with _gateway(case) as stub:
        answers = stub.RecognizeStream(_stream(*[_task()] * 30), timeout=TIMEOUT_S)
        _until(lambda: case.encoder.calls >= LIMITS.stream_window)
        at_work = case.encoder.calls
        gate.set()
        count = sum(1 for _ in answers)

    assert at_work == LIMITS.stream_window
    assert count == 30


def test_a_stream_needs_no_deadline_of_its_own(case: GatewayCase) -> None:
    with _gateway(case) as stub:
        (answer,) = stub.RecognizeStream(_stream(_task()))

    assert answer.HasField("recognition")


def test_a_cancelled_stream_stops_its_work(case: GatewayCase) -> None:
    gate = threading.Event()
    case.encoder.before = lambda: _wait(gate)
    with _gateway(case) as stub:
        answers = stub.RecognizeStream(_stream(*[_task()] * 100), timeout=TIMEOUT_S)
        _until(lambda: case.encoder.calls >= 1)
        answers.cancel()
        gate.set()
        _until(lambda: not _streams_at_work())

    assert case.encoder.calls <= 2 * LIMITS.stream_window


def test_a_batch_gets_receipts_and_is_counted(case: GatewayCase) -> None:
    requests = [
        gateway_pb2.SubmitImagesRequest(submission_id="s1", task=_task(recognition_id=f"r{i}"))
        for i in range(3)
    ]
    requests[1].task.image = b"text"
    with _gateway(case) as stub:
        answers = list(stub.SubmitImages(iter(requests), timeout=TIMEOUT_S))
        progress = stub.GetSubmission(gateway_pb2.GetSubmissionRequest(submission_id="s1"), timeout=TIMEOUT_S)

    assert [answer.WhichOneof("result") for answer in answers] == ["receipt", "failure", "receipt"]
    assert {answer.submission_id for answer in answers} == {"s1"}
    assert (progress.accepted, progress.completed, progress.failed) == (2, 0, 0)


def test_a_batch_without_an_id_gets_one_for_all_its_images(case: GatewayCase) -> None:
    requests = (gateway_pb2.SubmitImagesRequest(task=_task()) for _ in range(3))
    with _gateway(case) as stub:
        answers = list(stub.SubmitImages(requests, timeout=TIMEOUT_S))

    assert len({answer.submission_id for answer in answers}) == 1
    assert len({answer.recognition_id for answer in answers}) == 3


def test_a_batch_that_changes_its_id_on_the_way_is_refused_for_that_image(case: GatewayCase) -> None:
    requests = [
        gateway_pb2.SubmitImagesRequest(submission_id=each, task=_task()) for each in ("s1", "s2", "")
    ]
    with _gateway(case) as stub:
        answers = list(stub.SubmitImages(iter(requests), timeout=TIMEOUT_S))

    assert [answer.WhichOneof("result") for answer in answers] == ["receipt", "failure", "receipt"]
    assert answers[1].failure.field == "submission_id"


def test_a_watch_shows_records_with_their_tokens(case: GatewayCase) -> None:
    record = Recognition(case.intake(task(recognition_id="r1")).envelope, RecognitionState.COMPLETED)
    case.endings = InMemoryEndings(record)
    with _gateway(case) as stub:
        begun, answer = stub.WatchRecognitions(gateway_pb2.WatchRecognitionsRequest(), timeout=TIMEOUT_S)

    assert begun == gateway_pb2.WatchRecognitionsResponse(resume_token="begin")  # noqa: S106  (no secret)
    assert answer.recognition == write_recognition(record)
    assert answer.resume_token == "0"  # noqa: S105  (no secret)


def _remember(label: str = "robin", **more: Any) -> memory_pb2.RememberRequest:
    return memory_pb2.RememberRequest(label=label, **more)


def test_lessons_are_answered_in_order_with_a_memory_version_or_their_failure(case: GatewayCase) -> None:
    case.teacher.errors["damaged"] = InvalidInput("cut off", field="image", reason="IMAGE_DAMAGED")
    requests = [
        _remember(image=picture()),
        _remember(image=b"text"),
        _remember("damaged", image=picture()),
        _remember("two\nlines", name="x"),
        _remember("wren", name=""),
        _remember("wren"),
        _remember("wren", attribute="short tail", exemplar_id="mine"),
    ]
    with _memory(case) as stub:
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
    requests = [_remember(f"label {i}", image=picture(), exemplar_id="one") for i in range(50)]
    with _memory(case) as stub:
        answers = list(stub.Remember(iter(requests), timeout=TIMEOUT_S))

    assert [answer.WhichOneof("result") for answer in answers] == ["memory_version"] * 50
    labels = [change.exemplar.label for change in case.teacher.changes if change.exemplar]
    assert labels == [f"label {i}" for i in range(50)]


def test_a_window_of_lessons_is_on_its_way_before_the_first_is_durable(case: GatewayCase) -> None:
    case.teacher.gate.clear()
    with _memory(case, window=32) as stub:
        answers = stub.Remember((_remember(name=str(i)) for i in range(100)), timeout=TIMEOUT_S)
        _until(lambda: len(case.teacher.changes) >= 32)
        on_their_way = len(case.teacher.changes)
        case.teacher.gate.set()
        count = sum(1 for _ in answers)

    assert (on_their_way, count) == (32, 100)


def _import(label: str = "robin", **more: Any) -> memory_pb2.ImportExemplarsRequest:
    vector = struct.pack("<3f", 1, 0, 0)
    fields: dict[str, Any] = {"exemplar_id": label, "label": label, "text": "x"}
    return memory_pb2.ImportExemplarsRequest(
        exemplar=exemplar_pb2.EncodedExemplar(
            exemplar=exemplar_pb2.Exemplar(**fields | more, kind=exemplar_pb2.EXEMPLAR_KIND_NAME),
            embeddings=[embedding_pb2.Embedding(vector=vector, encoder="letters@1", space="name")],
        )
    )


def test_an_import_is_answered_in_order_and_goes_on_after_a_failure(case: GatewayCase) -> None:
    case.teacher.errors["strange"] = InvalidInput("?", field="embeddings", reason="UNKNOWN_ENCODER")
    requests = [
        _import(),
        _import("strange"),
        _import("a", text=""),
        _import("b", exemplar_id="no id"),
        _import("c", image=image_pb2.ImageReference(digest="../../acme/images/birds/secret")),
        _import("d", image=image_pb2.ImageReference(digest="a" * 64, media_type="text/html")),
        _import("e"),
    ]
    requests[6].exemplar.embeddings[0].vector = struct.pack("<3f", 1, float("nan"), 0)
    requests.append(_import("f"))
    with _memory(case) as stub:
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
    with _gateway(case) as gateway:
        gateway.Recognize(gateway_pb2.RecognizeRequest(task=_task(recognition_id="r1")), timeout=TIMEOUT_S)
    with _memory(case) as stub:
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
    with _memory(case) as stub:
        (told,) = stub.AuditMemory(memory_pb2.AuditMemoryRequest(policy=policy), timeout=TIMEOUT_S)
        with pytest.raises(NotFound):
            list(stub.AuditMemory(memory_pb2.AuditMemoryRequest(collection=strange), timeout=TIMEOUT_S))

    assert told.entry.summary.memory_version == "v1"
    asked = audit_pb2.AuditPolicy(duplicate=0.9, space="visual")  # the space that answers
    assert case.retriever.audits == [(DEFAULT_COLLECTION, asked, "")]


def test_collections_are_made_changed_listed_and_deleted(case: GatewayCase) -> None:
    key = envelope_pb2.CollectionKey(tenant="acme", collection="birds")
    wanted = collections_pb2.Collection(
        key=key,
        image_retention=collections_pb2.ImageRetention(policy=collections_pb2.RETENTION_POLICY_DAYS, days=7),
        trust_threshold=0.0,
    )
    with _collections(case) as stub:
        create = collections_pb2.CreateCollectionRequest(collection=wanted)
        made = stub.CreateCollection(create, timeout=TIMEOUT_S).collection
        with pytest.raises(Conflict):
            stub.CreateCollection(create, timeout=TIMEOUT_S)
        wanted.description = "of Europe"
        stub.UpdateCollection(collections_pb2.UpdateCollectionRequest(collection=wanted), timeout=TIMEOUT_S)
        listing = collections_pb2.ListCollectionsRequest(tenant="acme")
        listed = stub.ListCollections(listing, timeout=TIMEOUT_S).collections
        stub.DeleteCollection(collections_pb2.DeleteCollectionRequest(key=key), timeout=TIMEOUT_S)
        with pytest.raises(NotFound):
            stub.GetCollection(collections_pb2.GetCollectionRequest(key=key), timeout=TIMEOUT_S)

    assert (made.trust_threshold, made.HasField("unknown_threshold")) == (0, False)
    assert list(listed) == [wanted]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (collections_pb2.Collection(trust_threshold=1.5), "collection.trust_threshold"),
        (
            collections_pb2.Collection(votes=[{"space": "visual"}]),  # type: ignore[list-item]  # protobuf takes it
            "collection.votes[0]",
        ),
        (
            collections_pb2.Collection(
                image_retention=collections_pb2.ImageRetention(policy=collections_pb2.RETENTION_POLICY_DAYS)
            ),
            "collection.image_retention.days",
        ),
        (
            collections_pb2.Collection(image_retention=collections_pb2.ImageRetention(policy=9)),  # type: ignore[arg-type]
            "collection.image_retention.policy",
        ),
    ],
)
def test_a_wrong_setting_is_named(case: GatewayCase, wrong: collections_pb2.Collection, field: str) -> None:
    wrong.key.collection = "birds"
    with _collections(case) as stub, pytest.raises(InvalidInput) as refused:
        stub.CreateCollection(collections_pb2.CreateCollectionRequest(collection=wrong), timeout=TIMEOUT_S)

    assert refused.value.field == field


def test_without_a_shared_event_log_the_waiting_door_works_and_all_else_says_what_to_run(
    case: GatewayCase,
) -> None:
    refused: list[FoveaError] = []

    def refuse(call: Callable[[], object]) -> None:
        with pytest.raises(Unsupported, match=r"event log.*fovea serve") as error:
            call()
        refused.append(error.value)

    key = envelope_pb2.CollectionKey(collection="daily")
    submit = gateway_pb2.SubmitImagesRequest(task=_task())
    with _gateway(case, shared=False) as stub:
        record = stub.Recognize(gateway_pb2.RecognizeRequest(task=_task()), timeout=TIMEOUT_S)
        refuse(lambda: list(stub.SubmitImages(iter([submit]), timeout=TIMEOUT_S)))
        refuse(lambda: stub.GetSubmission(gateway_pb2.GetSubmissionRequest(), timeout=TIMEOUT_S))
        watch = gateway_pb2.WatchRecognitionsRequest()
        refuse(lambda: list(stub.WatchRecognitions(watch, timeout=TIMEOUT_S)))
    with _memory(case, shared=False) as stub:
        refuse(lambda: list(stub.Remember(iter([_remember(image=picture())]), timeout=TIMEOUT_S)))
        refuse(lambda: list(stub.ImportExemplars(iter([_import()]), timeout=TIMEOUT_S)))
        refuse(lambda: stub.Forget(memory_pb2.ForgetRequest(label="robin"), timeout=TIMEOUT_S))
        refuse(lambda: stub.Correct(memory_pb2.CorrectRequest(), timeout=TIMEOUT_S))
    with _collections(case, shared=False) as stub:
        delete = collections_pb2.DeleteCollectionRequest(key=key)
        refuse(lambda: stub.DeleteCollection(delete, timeout=TIMEOUT_S))

    assert record.recognition.regions
    assert {error.reason for error in refused} == {"NO_SHARED_EVENT_LOG"}
    assert len(case.images.kept) == 1


def test_a_service_that_is_down_answers_as_unavailable(case: GatewayCase) -> None:
    case.retriever.error = Unavailable("down")
    with _gateway(case) as stub, pytest.raises(Unavailable):
        stub.Recognize(gateway_pb2.RecognizeRequest(task=_task()), timeout=TIMEOUT_S)


def test_calls_side_by_side_do_not_get_in_each_others_way(case: GatewayCase) -> None:
    with _gateway(case) as stub, ThreadPoolExecutor(8) as pool:
        requests = [gateway_pb2.RecognizeRequest(task=_task(recognition_id=f"r{i % 4}")) for i in range(32)]
        answers = list(pool.map(lambda request: stub.Recognize(request, timeout=TIMEOUT_S), requests))

    for i, answer in enumerate(answers):
        assert answer.recognition == answers[i % 4].recognition


def _wait(gate: threading.Event) -> None:
    assert gate.wait(TIMEOUT_S)


def _until(met: Callable[[], bool]) -> None:
    ticks = threading.Event()
    for _ in range(500):
        if met():
            return
        ticks.wait(0.01)
    raise AssertionError("it did not come about")


def _streams_at_work() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "stream-reader"]
