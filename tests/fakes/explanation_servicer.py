"""Explanations of a few lines behind `ExplanationService`."""

# ruff: noqa: N802  (the names are the proto's)
from __future__ import annotations

from collections.abc import Mapping

import grpc

from fovea.gateway.v1 import explanations_pb2 as pb
from fovea.gateway.v1 import explanations_pb2_grpc
from fovea.kernel.v1 import envelope_pb2, failure_pb2, recognition_pb2
from tests.fakes.script import Script, Trouble


class FakeExplanations(explanations_pb2_grpc.ExplanationServiceServicer):
    """Explains the records of the fake gateway; retrieval answers otherwise once `memory_version` is set."""

    def __init__(self, script: Script, records: Mapping[str, recognition_pb2.Recognition]) -> None:
        self.script = script
        self.records = records
        self.memory_version = ""
        self.image_gone = False

    def ReplayRecognition(
        self, request: pb.ReplayRecognitionRequest, context: grpc.ServicerContext
    ) -> pb.ReplayRecognitionResponse:
        self.script.begin("ReplayRecognition", context, request)
        self._record(request.recognition_id, context)
        names = ("segmentation", "encoding", "retrieval", "ranking")
        steps = {name: pb.ReplayedStep(name=name, outcome=pb.STEP_OUTCOME_SAME) for name in names}
        if self.memory_version:
            steps["retrieval"].outcome = pb.STEP_OUTCOME_DIFFERS
            steps["retrieval"].made_with.add(place="memory_version", before="m1", now=self.memory_version)
            for i in range(7):
                place = f"candidates[0].candidates[{i}].label"
                steps["retrieval"].differences.add(place=place, before="wren", now="robin")
        if self.image_gone:
            steps["ranking"].outcome = pb.STEP_OUTCOME_NOT_RUN
            steps["ranking"].failure.CopyFrom(GONE)
        return pb.ReplayRecognitionResponse(steps=steps.values())

    def ExplainRecognition(
        self, request: pb.ExplainRecognitionRequest, context: grpc.ServicerContext
    ) -> pb.ExplainRecognitionResponse:
        self.script.begin("ExplainRecognition", context, request)
        record = self._record(request.recognition_id, context)
        answer = pb.Answer(label=record.regions[0].ranking.labels[0].label, probability=0.9)
        response = pb.ExplainRecognitionResponse(
            recognition=record, region_id=record.regions[0].region.region_id, answer=answer
        )
        if self.image_gone:
            response.failure.CopyFrom(GONE)
            return response
        response.today.CopyFrom(pb.Answer(label="wren", probability=0.5) if self.memory_version else answer)
        now = next((s.memory_version for s in record.envelope.stages if s.name == "retrieval"), "")
        stage = envelope_pb2.Stage(name="retrieval", memory_version=self.memory_version or now)
        response.retrieval_today.CopyFrom(stage)
        response.counterfactuals.add(
            exemplar_ids=["x1"], share=0.6, answer=pb.Answer(probability=0.7), changes=True
        )
        response.counterfactuals.add(exemplar_ids=["x1", "x2"], share=0.8, answer=answer)
        return response

    def _record(self, recognition_id: str, context: grpc.ServicerContext) -> recognition_pb2.Recognition:
        if recognition_id not in self.records:
            Trouble(grpc.StatusCode.NOT_FOUND, "there is no such recognition", "RECOGNITION_UNKNOWN").end(
                context
            )
        return self.records[recognition_id]


GONE = failure_pb2.Failure(status="NOT_FOUND", reason="IMAGE_GONE", message="the image is no longer kept")
