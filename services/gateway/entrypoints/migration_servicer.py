"""The gRPC service that moves collections from one encoder to another."""
# ruff: noqa: ARG002, N802  (names and arguments are gRPC's)

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import grpc

from fovea.gateway.v1 import migrations_pb2 as pb
from fovea.gateway.v1 import migrations_pb2_grpc
from fovea.kernel.v1 import migration_pb2
from services.gateway.codec import migrations as codec
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.usecases.migrate import (
    CutOver,
    EvaluateMigration,
    FinishMigration,
    GetMigration,
    RollBack,
    StartMigration,
)
from services.runtime.codec.recognition import read_collection


@dataclass(frozen=True)
class MigrationCases:
    """The use cases behind MigrationService."""

    start: StartMigration
    get: GetMigration
    evaluate: EvaluateMigration
    cut_over: CutOver
    roll_back: RollBack
    finish: FinishMigration


class MigrationServicer(migrations_pb2_grpc.MigrationServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, cases: MigrationCases, shared_log: SharedLog) -> None:
        self._cases = cases
        self._shared_log = shared_log

    def StartMigration(
        self, request: pb.StartMigrationRequest, context: grpc.ServicerContext
    ) -> pb.StartMigrationResponse:
        """Begin."""
        self._shared_log.require()
        key = read_collection(request.collection)
        status = self._cases.start(key, request.to_space, from_space=request.from_space)
        return pb.StartMigrationResponse(status=codec.write_status(status))

    def GetMigration(
        self, request: pb.GetMigrationRequest, context: grpc.ServicerContext
    ) -> pb.GetMigrationResponse:
        """Say how far it is."""
        status = self._cases.get(read_collection(request.collection))
        return pb.GetMigrationResponse(status=codec.write_status(status))

    def EvaluateMigration(
        self, request: pb.EvaluateMigrationRequest, context: grpc.ServicerContext
    ) -> pb.EvaluateMigrationResponse:
        """Compare the encoders."""
        report = self._cases.evaluate(read_collection(request.collection), request.policy)
        return pb.EvaluateMigrationResponse(report=cast("migration_pb2.SpaceReport", report.message))

    def CutOverMigration(
        self, request: pb.CutOverMigrationRequest, context: grpc.ServicerContext
    ) -> pb.CutOverMigrationResponse:
        """Let the new encoder answer."""
        self._shared_log.require()
        key = read_collection(request.collection)
        status = self._cases.cut_over(key, request.policy, override=request.override)
        return pb.CutOverMigrationResponse(status=codec.write_status(status))

    def RollBackMigration(
        self, request: pb.RollBackMigrationRequest, context: grpc.ServicerContext
    ) -> pb.RollBackMigrationResponse:
        """Let the old encoder answer again."""
        self._shared_log.require()
        status = self._cases.roll_back(read_collection(request.collection))
        return pb.RollBackMigrationResponse(status=codec.write_status(status))

    def FinishMigration(
        self, request: pb.FinishMigrationRequest, context: grpc.ServicerContext
    ) -> pb.FinishMigrationResponse:
        """End it."""
        self._shared_log.require()
        status = self._cases.finish(read_collection(request.collection))
        return pb.FinishMigrationResponse(status=codec.write_status(status))
