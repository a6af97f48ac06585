"""The gRPC service that teaches, corrects and shows the memory."""
# ruff: noqa: ARG002, N802  (names and arguments are gRPC's)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import grpc

from fovea.gateway.v1 import memory_pb2 as pb
from fovea.gateway.v1 import memory_pb2_grpc
from fovea.kernel.v1 import audit_pb2
from services.gateway.codec import memory as codec
from services.gateway.codec.recognition import read_id, read_tenant
from services.gateway.entrypoints.change_streams import ChangeStreams, Kind
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.usecases.collections import AuditMemory, ExportExemplars, ListExemplars, ListLabels
from services.gateway.usecases.correct import Correct
from services.gateway.usecases.erase import Erase
from services.gateway.usecases.teach import Forget, Prepare, PrepareImport, Teach
from services.runtime.codec.exemplar import write_encoded_exemplar
from services.runtime.codec.recognition import read_collection
from services.runtime.stream_workers import Workers


@dataclass(frozen=True)
class MemoryCases:
    """The use cases behind MemoryService."""

    prepare: Prepare
    prepare_import: PrepareImport
    teach: Teach
    forget: Forget
    erase: Erase
    correct: Correct
    list_exemplars: ListExemplars
    export_exemplars: ExportExemplars
    list_labels: ListLabels
    audit: AuditMemory


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
        self._streams = ChangeStreams(cases.teach, workers, window=window)
        self._shared_log = shared_log

    def Remember(
        self, request_iterator: Iterator[pb.RememberRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RememberResponse]:
        """Teach a stream of exemplars; each answer says that one is durable."""
        self._shared_log.require()
        return self._streams(
            request_iterator,
            Kind(
                lambda each: self._cases.prepare(codec.read_lesson(each)),
                lambda each: each.exemplar_id,
                pb.RememberResponse,
            ),
        )

    def ImportExemplars(
        self, request_iterator: Iterator[pb.ImportExemplarsRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ImportExemplarsResponse]:
        """Take a stream of exemplars with their embeddings; each answer says that one is durable."""
        self._shared_log.require()
        return self._streams(
            request_iterator,
            Kind(
                lambda each: self._cases.prepare_import(*codec.read_import(each)),
                lambda each: each.exemplar.exemplar.exemplar_id,
                pb.ImportExemplarsResponse,
            ),
        )

    def Forget(self, request: pb.ForgetRequest, context: grpc.ServicerContext) -> pb.ForgetResponse:
        """Forget exemplars by id, or all of a label."""
        self._shared_log.require()
        forget = self._cases.erase if request.erase else self._cases.forget
        forgotten = forget(
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
        collection = read_collection(request.collection)
        request.policy.space = request.policy.space or self._cases.audit.space(collection)
        entries = self._cases.audit(
            collection,
            request.policy,
            min_memory_version=request.min_memory_version,
        )
        for entry in entries:
            yield pb.AuditMemoryResponse(entry=cast("audit_pb2.AuditEntry", entry))
