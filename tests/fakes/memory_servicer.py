"""A memory of a few lines behind `MemoryService`."""

# ruff: noqa: N802  (the names are the proto's)
from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise

import grpc

from fovea.gateway.v1 import memory_pb2 as pb
from fovea.gateway.v1 import memory_pb2_grpc
from fovea.kernel.v1 import (
    audit_pb2,
    embedding_pb2,
    exemplar_pb2,
    failure_pb2,
    image_pb2,
    recognition_pb2,
    region_pb2,
)
from tests.fakes.script import Script

_KINDS = {
    "image": exemplar_pb2.EXEMPLAR_KIND_IMAGE,
    "name": exemplar_pb2.EXEMPLAR_KIND_NAME,
    "attribute": exemplar_pb2.EXEMPLAR_KIND_ATTRIBUTE,
}


EMBEDDING = embedding_pb2.Embedding(vector=struct.pack("<2f", 0.6, 0.8), encoder="m@1", space="visual")
STRANGE = failure_pb2.Failure(
    status="INVALID_ARGUMENT", reason="UNKNOWN_ENCODER", message="strange does not run", field="embeddings"
)


class FakeMemory(memory_pb2_grpc.MemoryServiceServicer):
    """Keeps exemplars in a dictionary."""

    def __init__(self, script: Script, records: Mapping[str, recognition_pb2.Recognition]) -> None:
        self.script = script
        self.exemplars: dict[str, exemplar_pb2.Exemplar] = {}
        self.embeddings: dict[str, list[embedding_pb2.Embedding]] = {}
        self.page_size = 2
        self._records = records
        self._version = 0

    def Remember(
        self, request_iterator: Iterator[pb.RememberRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RememberResponse]:
        trouble = self.script.begin("Remember", context)
        for count, request in enumerate(request_iterator):
            if trouble and count == trouble.after_answers:
                trouble.end(context)
            self.script.requests["Remember"].append(request)
            yield self._remember(request)

    def Forget(self, request: pb.ForgetRequest, context: grpc.ServicerContext) -> pb.ForgetResponse:
        self.script.begin("Forget", context, request)
        ids = [id_ for id_, kept in self.exemplars.items() if kept.label == request.label]
        ids = [id_ for id_ in request.exemplar_ids or ids if id_ in self.exemplars]
        for id_ in ids:
            del self.exemplars[id_]
        return pb.ForgetResponse(forgotten=len(ids), memory_version=self._next_version())

    def Correct(self, request: pb.CorrectRequest, context: grpc.ServicerContext) -> pb.CorrectResponse:
        self.script.begin("Correct", context, request)
        if request.recognition_id not in self._records:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no such recognition")
        return pb.CorrectResponse(exemplar_id="corrected", memory_version=self._next_version())

    def ListExemplars(
        self, request: pb.ListExemplarsRequest, context: grpc.ServicerContext
    ) -> pb.ListExemplarsResponse:
        copy = pb.ListExemplarsRequest()
        copy.CopyFrom(request)
        self.script.begin("ListExemplars", context, copy)
        start = int(request.page_token or 0)
        kept = [self.exemplars[id_] for id_ in sorted(self.exemplars)]
        kept = [exemplar for exemplar in kept if request.label in ("", exemplar.label)]
        end = start + self.page_size
        return pb.ListExemplarsResponse(
            exemplars=kept[start:end], next_page_token=str(end) if end < len(kept) else ""
        )

    def ExportExemplars(
        self, request: pb.ExportExemplarsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportExemplarsResponse]:
        trouble = self.script.begin("ExportExemplars", context, request)
        for count, id_ in enumerate(sorted(self.exemplars)):
            if trouble and count == trouble.after_answers:
                trouble.end(context)
            embeddings = self.embeddings.get(id_, [EMBEDDING])
            kept = exemplar_pb2.EncodedExemplar(exemplar=self.exemplars[id_], embeddings=embeddings)
            yield pb.ExportExemplarsResponse(exemplar=kept)

    def ImportExemplars(
        self, request_iterator: Iterator[pb.ImportExemplarsRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ImportExemplarsResponse]:
        trouble = self.script.begin("ImportExemplars", context)
        for count, request in enumerate(request_iterator):
            if trouble and count == trouble.after_answers:
                trouble.end(context)
            self.script.requests["ImportExemplars"].append(request)
            yield self._import(request.exemplar)

    def ListLabels(
        self, request: pb.ListLabelsRequest, context: grpc.ServicerContext
    ) -> pb.ListLabelsResponse:
        self.script.begin("ListLabels", context, request)
        counts = Counter(exemplar.label for exemplar in self.exemplars.values())
        return pb.ListLabelsResponse(
            labels=[pb.LabelCount(label=label, exemplars=counts[label]) for label in sorted(counts)]
        )

    def AuditMemory(
        self, request: pb.AuditMemoryRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.AuditMemoryResponse]:
        trouble = self.script.begin("AuditMemory", context, request)
        kept = [self.exemplars[id_] for id_ in sorted(self.exemplars)]
        entries = [audit_pb2.AuditEntry(finding=_finding(one, other)) for one, other in pairwise(kept)]
        coverage = audit_pb2.AuditCoverage(label="wren", images=1, asked=4)
        coverage.recall.extend(_recall(1, 2))
        coverage.confused_with.add(label="goldfinch", times=2)
        summary = audit_pb2.AuditSummary(exemplars=len(kept), labels=1, asked=4, recall=_recall(3, 4))
        entries += [audit_pb2.AuditEntry(coverage=coverage), audit_pb2.AuditEntry(summary=summary)]
        for count, entry in enumerate(entries):
            if trouble and count == trouble.after_answers:
                trouble.end(context)
            yield pb.AuditMemoryResponse(entry=entry)

    def _next_version(self) -> str:
        self._version += 1
        return f"v{self._version}"

    def _import(self, kept: exemplar_pb2.EncodedExemplar) -> pb.ImportExemplarsResponse:
        id_ = kept.exemplar.exemplar_id
        if any(each.encoder.startswith("strange") for each in kept.embeddings):
            return pb.ImportExemplarsResponse(exemplar_id=id_, failure=STRANGE)
        self.exemplars[id_] = kept.exemplar
        self.embeddings[id_] = list(kept.embeddings)
        return pb.ImportExemplarsResponse(exemplar_id=id_, memory_version=self._next_version())

    def _remember(self, request: pb.RememberRequest) -> pb.RememberResponse:
        if request.image.startswith(b"bad") or "\n" in request.label:
            failure = failure_pb2.Failure(
                status="INVALID_ARGUMENT", reason="IMAGE_UNREADABLE", message="not a picture", field="image"
            )
            return pb.RememberResponse(failure=failure)
        exemplar = _exemplar(request)
        self.exemplars[exemplar.exemplar_id] = exemplar
        return pb.RememberResponse(exemplar_id=exemplar.exemplar_id, memory_version=self._next_version())


def _finding(one: exemplar_pb2.Exemplar, other: exemplar_pb2.Exemplar) -> audit_pb2.AuditFinding:
    return audit_pb2.AuditFinding(
        kind=audit_pb2.AUDIT_FINDING_KIND_SUSPECT_LABEL,
        exemplar=one,
        other=other,
        similarity=0.75,
        suggested_label=other.label,
    )


def _recall(first: int, in_five: int) -> list[audit_pb2.RecallCount]:
    counts = {1: first, 5: in_five, 10: in_five}
    return [audit_pb2.RecallCount(candidates=k, found=n) for k, n in counts.items()]


def _exemplar(request: pb.RememberRequest) -> exemplar_pb2.Exemplar:
    content = request.WhichOneof("content") or "name"
    text = request.attribute or request.name or request.label
    told = request.image or text.encode()
    told_of = request.shape.SerializeToString() if request.HasField("shape") else b""
    digest = hashlib.sha256(told).hexdigest()
    id_ = hashlib.sha256(request.label.encode() + b"\0" + told + b"\0" + told_of).hexdigest()[:12]
    exemplar = exemplar_pb2.Exemplar(
        exemplar_id=request.exemplar_id or id_,
        label=request.label,
        kind=_KINDS[content],
        attributes=request.attributes,
        text="" if content == "image" else text,
    )
    if content == "image":
        exemplar.image.CopyFrom(image_pb2.ImageReference(digest=digest, media_type="image/png"))
        caller = request.HasField("shape")
        origin = region_pb2.REGION_ORIGIN_CALLER if caller else region_pb2.REGION_ORIGIN_WHOLE_IMAGE
        exemplar.region.CopyFrom(region_pb2.Region(region_id="0", box=request.shape.box, origin=origin))
    return exemplar
