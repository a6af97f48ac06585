"""Dead letters over gRPC; the server turns errors into statuses."""
# ruff: noqa: ARG002, N802  (names and arguments are gRPC's)

from __future__ import annotations

from dataclasses import dataclass

import grpc

from fovea.gateway.v1 import operations_pb2 as pb
from fovea.gateway.v1 import operations_pb2_grpc
from services.gateway.codec import operations as codec
from services.gateway.codec.recognition import read_tenant
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.usecases.operations import GetDeadLetter, ListDeadLetters, ReplayDeadLetters


@dataclass(frozen=True)
class OperationsCases:
    """The use cases behind OperationsService."""

    list: ListDeadLetters
    get: GetDeadLetter
    replay: ReplayDeadLetters


class OperationsServicer(operations_pb2_grpc.OperationsServiceServicer):
    """Shows and replays what nobody could handle."""

    def __init__(self, cases: OperationsCases, shared_log: SharedLog) -> None:
        self._cases = cases
        self._shared_log = shared_log

    def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.ListDeadLettersResponse:
        """List the newest."""
        self._shared_log.require()
        found = self._cases.list(codec.read_filter(request.filter), limit=request.limit)
        return pb.ListDeadLettersResponse(letters=map(codec.write_letter, found))

    def GetDeadLetter(
        self, request: pb.GetDeadLetterRequest, context: grpc.ServicerContext
    ) -> pb.GetDeadLetterResponse:
        """Find one."""
        self._shared_log.require()
        letter, value = self._cases.get(read_tenant(request.tenant), request.id)
        return pb.GetDeadLetterResponse(letter=codec.write_letter(letter), value=value)

    def ReplayDeadLetters(
        self, request: pb.ReplayDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.ReplayDeadLettersResponse:
        """Publish again."""
        self._shared_log.require()
        replays = self._cases.replay(
            codec.read_filter(request.filter),
            limit=request.limit,
            dry_run=request.dry_run,
            again=request.again,
        )
        return pb.ReplayDeadLettersResponse(replays=map(codec.write_replay, replays))
