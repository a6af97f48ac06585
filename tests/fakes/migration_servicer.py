"""One migration behind `MigrationService`; it is filled in by one exemplar whenever somebody looks."""

# ruff: noqa: N802  (the names are the proto's)
from __future__ import annotations

import grpc

from fovea.gateway.v1 import migrations_pb2 as pb
from fovea.gateway.v1 import migrations_pb2_grpc
from fovea.kernel.v1 import candidates_pb2, migration_pb2
from tests.fakes.script import Script

SIDE_BY_SIDE = migration_pb2.MIGRATION_STATE_SIDE_BY_SIDE
CUT_OVER = migration_pb2.MIGRATION_STATE_CUT_OVER
FINISHED = migration_pb2.MIGRATION_STATE_FINISHED


def a_report(*, passes: bool = True) -> migration_pb2.SpaceReport:
    share = migration_pb2.PairedShare(before=90, after=88, difference=-0.02, least=-0.05, most=0.01)
    return migration_pb2.SpaceReport(
        memory_version="v1",
        asked=100,
        labels=7,
        accuracy=share,
        recall=share,
        candidates=5,
        margin=0.02,
        vote=candidates_pb2.SpaceVote(space="visual-2", weight=1, temperature=0.1, reference=0.5),
        passes=passes,
    )


class FakeMigrations(migrations_pb2_grpc.MigrationServiceServicer):
    """Remembers how far it is."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.status = pb.MigrationStatus(old=4, looked_at=1, without_picture=1)
        self.report = a_report()

    def StartMigration(
        self, request: pb.StartMigrationRequest, context: grpc.ServicerContext
    ) -> pb.StartMigrationResponse:
        self.script.begin("StartMigration", context, request)
        self.status.migration.from_space = request.from_space or "visual"
        self.status.migration.to_space = request.to_space
        self.status.migration.state = SIDE_BY_SIDE
        return pb.StartMigrationResponse(status=self.status)

    def GetMigration(
        self, request: pb.GetMigrationRequest, context: grpc.ServicerContext
    ) -> pb.GetMigrationResponse:
        self.script.begin("GetMigration", context, request)
        self.status.both = self.status.new = min(self.status.both + 1, 3)
        return pb.GetMigrationResponse(status=self.status)

    def EvaluateMigration(
        self, request: pb.EvaluateMigrationRequest, context: grpc.ServicerContext
    ) -> pb.EvaluateMigrationResponse:
        self.script.begin("EvaluateMigration", context, request)
        return pb.EvaluateMigrationResponse(report=self.report)

    def CutOverMigration(
        self, request: pb.CutOverMigrationRequest, context: grpc.ServicerContext
    ) -> pb.CutOverMigrationResponse:
        self.script.begin("CutOverMigration", context, request)
        self.status.migration.state = CUT_OVER
        self.status.migration.overridden = request.override
        self.status.migration.report.CopyFrom(self.report)
        return pb.CutOverMigrationResponse(status=self.status)

    def RollBackMigration(
        self, request: pb.RollBackMigrationRequest, context: grpc.ServicerContext
    ) -> pb.RollBackMigrationResponse:
        self.script.begin("RollBackMigration", context, request)
        self.status.migration.state = SIDE_BY_SIDE
        return pb.RollBackMigrationResponse(status=self.status)

    def FinishMigration(
        self, request: pb.FinishMigrationRequest, context: grpc.ServicerContext
    ) -> pb.FinishMigrationResponse:
        self.script.begin("FinishMigration", context, request)
        self.status.migration.state = FINISHED
        return pb.FinishMigrationResponse(status=self.status)
