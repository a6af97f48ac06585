"""The waiting door of ranking."""

from __future__ import annotations

import grpc

from fovea.ranking.v1 import ranking_pb2 as pb
from fovea.ranking.v1 import ranking_pb2_grpc
from services.ranking import codec
from services.ranking.usecases import Rank


class RankingServicer(ranking_pb2_grpc.RankingServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, rank: Rank) -> None:
        self._rank = rank

    def Rank(
        self,
        request: pb.RankRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.RankResponse:
        """Order the candidates of each region."""
        return codec.write_response(self._rank(*codec.read_request(request)))
