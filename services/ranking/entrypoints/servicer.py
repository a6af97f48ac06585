"""The waiting door of ranking."""
# ruff: noqa: ARG002  (arguments are gRPC's)

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import grpc

from fovea.ranking.v1 import ranking_pb2 as pb
from fovea.ranking.v1 import ranking_pb2_grpc
from services.kernel.limits import LIMITS
from services.ranking import codec
from services.ranking.usecases import Rank
from services.runtime.codec.failure import failure_of, write_failure
from services.runtime.stream_window import Take, in_order
from services.runtime.stream_workers import Workers, outcome


class RankingServicer(ranking_pb2_grpc.RankingServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, rank: Rank, workers: Workers) -> None:
        self._rank = rank
        self._workers = workers

    def Rank(self, request: pb.RankRequest, context: grpc.ServicerContext) -> pb.RankResponse:
        """Order the candidates of each region."""
        return self._ranked(request)

    def RankStream(
        self, request_iterator: Iterator[pb.RankStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RankStreamResponse]:
        """Order the candidates of a stream of images; one that fails carries its failure."""

        def begin(request: pb.RankStreamRequest) -> Take[pb.RankStreamResponse]:
            return partial(outcome, self._workers.submit(partial(self._item, request)))

        return in_order(request_iterator, begin, size=LIMITS.stream_window)

    def _item(self, request: pb.RankStreamRequest) -> pb.RankStreamResponse:
        try:
            ranked = self._ranked(request.item)
        except Exception as error:  # noqa: BLE001  (an item's error is its answer)
            return pb.RankStreamResponse(item_id=request.item_id, failure=write_failure(failure_of(error)))
        return pb.RankStreamResponse(item_id=request.item_id, ranked=ranked)

    def _ranked(self, request: pb.RankRequest) -> pb.RankResponse:
        asked = codec.read_request(request)
        return codec.write_response(
            self._rank(asked.found, asked.options, image=asked.image, regions=asked.regions)
        )
