"""The gRPC service that teaches, corrects and shows the memory."""
# ruff: noqa: ARG002, N802  (names and arguments are gRPC's)

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import grpc

from fovea.gateway.v1 import memory_pb2 as pb
from fovea.gateway.v1 import memory_pb2_grpc
from fovea.kernel.v1 import audit_pb2
from services.gateway.codec import memory as codec
from services.gateway.codec.recognition import failure_of, read_id, read_tenant, write_failure
from services.gateway.domain.teaching import Change
from services.gateway.entrypoints.items import Workers, outcome
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.entrypoints.window import Line, Place, Take, in_order
from services.gateway.ports import Pending
from services.gateway.usecases.collections import AuditMemory, ExportExemplars, ListExemplars, ListLabels
from services.gateway.usecases.teach import Correct, Forget, Prepare, Teach
from services.runtime import deadline
from services.runtime.codec.exemplar import write_encoded_exemplar
from services.runtime.codec.recognition import read_collection


@dataclass(frozen=True)
class MemoryCases:
    """The use cases behind MemoryService."""

    prepare: Prepare
    teach: Teach
    forget: Forget
    correct: Correct
    list_exemplars: ListExemplars
    export_exemplars: ExportExemplars
    list_labels: ListLabels
    audit: AuditMemory


@dataclass(frozen=True)
class _Taught:
    """An exemplar that was handed over; its time ends at `end_s` of the monotonic clock."""

    exemplar_id: str
    pending: Pending
    end_s: float


class MemoryServicer(memory_pb2_grpc.MemoryServiceServicer):
    """Teaches, corrects and shows a collection's memory.

    Args:
        cases: What it calls.
        workers: Prepare the items of all streams.
        shared_log: Without one nothing can be taught.
        window: Exemplars of one stream on their way at a time. Only their preparation holds a thread,
            so a window may be wide, and encoding always has something to do.
    """

    def __init__(self, cases: MemoryCases, workers: Workers, shared_log: SharedLog, *, window: int) -> None:
        self._cases = cases
        self._workers = workers
        self._shared_log = shared_log
        self._window = window

    def Remember(
        self, request_iterator: Iterator[pb.RememberRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RememberResponse]:
        """Teach a stream of exemplars; each answer says that one is durable."""
        self._shared_log.require()
        line: Line[Change, _Taught] = Line(self._hand_over)

        def begin(request: pb.RememberRequest) -> Take[pb.RememberResponse]:
            place = line.join()
            prepared = self._workers.submit(partial(self._prepare, request, line, place))
            return partial(_answer, request.exemplar_id, lambda: outcome(prepared), place)

        return in_order(request_iterator, begin, size=self._window)

    def _prepare(
        self, request: pb.RememberRequest, line: Line[Change, _Taught], place: Place[Change, _Taught]
    ) -> None:
        try:
            change = self._cases.prepare(codec.read_lesson(request))
        except Exception as error:  # noqa: BLE001  (an item's error is its answer)
            line.leave(place, error)
        else:
            line.ready(place, change)

    def _hand_over(self, changes: Sequence[Change]) -> Sequence[_Taught]:
        """Publish a group of exemplars in one write."""
        end_s = time.monotonic() + self._workers.item_timeout_s
        pending = self._cases.teach(changes)
        return [
            _Taught(change.exemplar_id, each, end_s) for change, each in zip(changes, pending, strict=True)
        ]

    def Forget(self, request: pb.ForgetRequest, context: grpc.ServicerContext) -> pb.ForgetResponse:
        """Forget exemplars by id, or all of a label."""
        self._shared_log.require()
        forgotten = self._cases.forget(
            read_collection(request.collection),
            exemplar_ids=codec.read_exemplar_ids(request.exemplar_ids),
            label=request.label,
        )
        return pb.ForgetResponse(forgotten=forgotten.count, memory_version=forgotten.memory_version)

    def Correct(self, request: pb.CorrectRequest, context: grpc.ServicerContext) -> pb.CorrectResponse:
        """Give the right label of a recognised region."""
        self._shared_log.require()
        exemplar_id, version = self._cases.correct(
            read_tenant(request.tenant),
            read_id(request.recognition_id, field="recognition_id"),
            region_id=request.region_id,
            label=codec.read_label(request.label),
        )
        return pb.CorrectResponse(exemplar_id=exemplar_id, memory_version=version)

    def ListExemplars(
        self, request: pb.ListExemplarsRequest, context: grpc.ServicerContext
    ) -> pb.ListExemplarsResponse:
        """Page through the exemplars."""
        return codec.write_page(self._cases.list_exemplars(codec.read_query(request)))

    def ExportExemplars(
        self, request: pb.ExportExemplarsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportExemplarsResponse]:
        """Stream every exemplar with its embeddings."""
        exported = self._cases.export_exemplars(
            read_collection(request.collection), min_memory_version=request.min_memory_version
        )
        for exemplar in exported:
            yield pb.ExportExemplarsResponse(exemplar=write_encoded_exemplar(exemplar))

    def ListLabels(
        self, request: pb.ListLabelsRequest, context: grpc.ServicerContext
    ) -> pb.ListLabelsResponse:
        """Count the exemplars of each label."""
        counts = self._cases.list_labels(
            read_collection(request.collection), min_memory_version=request.min_memory_version
        )
        return codec.write_labels(counts)

    def AuditMemory(
        self, request: pb.AuditMemoryRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.AuditMemoryResponse]:
        """Stream what may be wrong with the memory."""
        entries = self._cases.audit(
            read_collection(request.collection),
            request.policy,
            min_memory_version=request.min_memory_version,
        )
        for entry in entries:
            yield pb.AuditMemoryResponse(entry=cast("audit_pb2.AuditEntry", entry))


def _answer(
    asked_id: str, prepared: Callable[[], None], place: Place[Change, _Taught]
) -> pb.RememberResponse:
    """Wait for one exemplar to be durable, and say so or why not."""
    exemplar_id = asked_id
    try:
        prepared()
        taught = outcome(place.outcome)
        exemplar_id = taught.exemplar_id
        with deadline.within(max(0.0, taught.end_s - time.monotonic())):
            version = taught.pending.result()
    except Exception as error:  # noqa: BLE001  (an item's error is its answer)
        return pb.RememberResponse(exemplar_id=exemplar_id, failure=write_failure(failure_of(error)))
    return pb.RememberResponse(exemplar_id=exemplar_id, memory_version=version)
