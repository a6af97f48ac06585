"""Replays and explanations over gRPC; the server turns errors into statuses."""
# ruff: noqa: ARG002, N802  (names and arguments are gRPC's)

from __future__ import annotations

from dataclasses import dataclass

import grpc

from fovea.gateway.v1 import explanations_pb2 as pb
from fovea.gateway.v1 import explanations_pb2_grpc
from services.gateway.codec import explanations as codec
from services.gateway.codec.recognition import read_id, read_tenant
from services.gateway.usecases.explain import ExplainRecognition, ReplayRecognition


@dataclass(frozen=True)
class ExplanationCases:
    """The use cases behind ExplanationService."""

    replay: ReplayRecognition
    explain: ExplainRecognition


class ExplanationServicer(explanations_pb2_grpc.ExplanationServiceServicer):
    """Says why a recognition ended as it did."""

    def __init__(self, cases: ExplanationCases) -> None:
        self._cases = cases

    def ReplayRecognition(
        self, request: pb.ReplayRecognitionRequest, context: grpc.ServicerContext
    ) -> pb.ReplayRecognitionResponse:
        """Run the steps again."""
        recognition_id = read_id(request.recognition_id, field="recognition_id")
        return codec.write_replay(self._cases.replay(read_tenant(request.tenant), recognition_id))

    def ExplainRecognition(
        self, request: pb.ExplainRecognitionRequest, context: grpc.ServicerContext
    ) -> pb.ExplainRecognitionResponse:
        """Ask again without single exemplars."""
        explanation = self._cases.explain(
            read_tenant(request.tenant),
            read_id(request.recognition_id, field="recognition_id"),
            region_id=request.region_id,
            exemplars=request.exemplars if request.HasField("exemplars") else None,
        )
        return codec.write_explanation(explanation)
