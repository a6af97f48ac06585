"""The waiting door of retrieval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from fovea.retrieval.v1 import retrieval_pb2 as pb
from fovea.retrieval.v1 import retrieval_pb2_grpc
from services.retrieval import codec
from services.retrieval.usecases import (
    AuditMemory,
    CompareSpaces,
    CountSpaces,
    ExportExemplars,
    ListExemplars,
    ListLabels,
    MineNegatives,
    Recall,
)
from services.runtime.codec.recognition import read_collection


@dataclass(frozen=True)
class UseCases:
    """What the servicer offers."""

    recall: Recall
    list_exemplars: ListExemplars
    export_exemplars: ExportExemplars
    list_labels: ListLabels
    mine_negatives: MineNegatives
    audit_memory: AuditMemory
    count_spaces: CountSpaces
    compare_spaces: CompareSpaces


class RetrievalServicer(retrieval_pb2_grpc.RetrievalServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, usecases: UseCases) -> None:
        self._usecases = usecases

    def Recall(
        self,
        request: pb.RecallRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.RecallResponse:
        """Propose candidates for each region."""
        question = codec.read_recall(request)
        recalled = self._usecases.recall(question.collection, question.regions, question.options)
        return codec.write_recalled(recalled)

    def ListExemplars(
        self,
        request: pb.ListExemplarsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.ListExemplarsResponse:
        """Give one page of exemplars."""
        collection, wanted = codec.read_listing(request)
        page = self._usecases.list_exemplars(
            collection,
            wanted,
            page_size=request.page_size,
            token=request.page_token,
            at_least=request.min_memory_version,
        )
        return codec.write_page(page)

    def ExportExemplars(
        self,
        request: pb.ExportExemplarsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> Iterator[pb.ExportExemplarsResponse]:
        """Give every exemplar, one at a time."""
        exported = self._usecases.export_exemplars(
            read_collection(request.collection),
            codec.read_in_spaces(request),
            after=request.after_exemplar_id,
            at_least=request.min_memory_version,
        )
        return map(codec.write_exported, exported)

    def ListLabels(
        self,
        request: pb.ListLabelsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.ListLabelsResponse:
        """Count the exemplars of each label."""
        counts = self._usecases.list_labels(
            read_collection(request.collection), at_least=request.min_memory_version
        )
        return codec.write_labels(counts)

    def MineNegatives(
        self,
        request: pb.MineNegativesRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> Iterator[pb.MineNegativesResponse]:
        """Give every exemplar of a space its hard negatives."""
        mined = self._usecases.mine_negatives(
            read_collection(request.collection),
            codec.read_mining_policy(request),
            at_least=request.min_memory_version,
        )
        return map(codec.write_mined, mined)

    def AuditMemory(
        self,
        request: pb.AuditMemoryRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> Iterator[pb.AuditMemoryResponse]:
        """Say what may be wrong with a collection."""
        audited = self._usecases.audit_memory(
            read_collection(request.collection),
            codec.read_audit_policy(request.policy),
            at_least=request.min_memory_version,
        )
        return (pb.AuditMemoryResponse(entry=codec.write_audit_entry(entry)) for entry in audited)

    def CountSpaces(
        self,
        request: pb.CountSpacesRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.CountSpacesResponse:
        """Count the exemplars by the spaces that they have embeddings in."""
        counts = self._usecases.count_spaces(
            read_collection(request.collection), at_least=request.min_memory_version
        )
        return codec.write_counts(counts)

    def CompareSpaces(
        self,
        request: pb.CompareSpacesRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.CompareSpacesResponse:
        """Say how two spaces answer for the same exemplars."""
        report = self._usecases.compare_spaces(
            read_collection(request.collection),
            codec.read_before(request),
            request.after_space,
            codec.read_comparison(request.policy),
            at_least=request.min_memory_version,
        )
        return pb.CompareSpacesResponse(report=codec.write_report(report))
