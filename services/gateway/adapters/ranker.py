"""Ranking over gRPC."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from fovea.ranking.v1 import ranking_pb2 as pb
from fovea.ranking.v1 import ranking_pb2_grpc
from services.gateway.ports import Ordering
from services.kernel.rankings import Candidates
from services.kernel.vocabulary import ImageReference, RecognitionOptions, Region
from services.runtime.codec.candidates import write_candidates
from services.runtime.codec.recognition import read_ranking, read_stage, write_options
from services.runtime.codec.region import write_image, write_region


class GrpcRanker:
    """Asks the ranking service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = ranking_pb2_grpc.RankingServiceStub(channel)

    def rank(
        self,
        image: ImageReference,
        regions: Sequence[Region],
        candidates: Sequence[Candidates],
        options: RecognitionOptions,
    ) -> Ordering:
        """Return a ranking of each region, in order."""
        reply = self._stub.Rank(
            pb.RankRequest(
                image=write_image(image),
                regions=map(write_region, regions),
                candidates=map(write_candidates, candidates),
                options=write_options(options),
            )
        )
        return Ordering(tuple(map(read_ranking, reply.rankings)), read_stage(reply.stage))
