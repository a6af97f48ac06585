"""Encoding over gRPC."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from services.gateway.ports import Encoding
from services.kernel.vocabulary import ImageReference, Region
from services.runtime.codec.exemplar import read_region_embeddings
from services.runtime.codec.recognition import read_stage
from services.runtime.codec.region import write_image, write_region


class GrpcEncoder:
    """Asks the encoding service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = encoding_pb2_grpc.EncodingServiceStub(channel)

    def encode(
        self, image: ImageReference, regions: Sequence[Region], *, spaces: Sequence[str] = ()
    ) -> Encoding:
        """Return the embeddings of the regions, in order."""
        reply = self._stub.EncodeRegions(
            pb.EncodeRegionsRequest(
                image=write_image(image), regions=map(write_region, regions), spaces=spaces
            )
        )
        embeddings = tuple(
            read_region_embeddings(each, field=f"regions[{i}]") for i, each in enumerate(reply.regions)
        )
        return Encoding(embeddings, read_stage(reply.stage))

    def spaces(self) -> tuple[str, ...]:
        """Return the spaces that pictures are kept in, that of the first encoder first."""
        return tuple(each.space for each in self._stub.ListSpaces(pb.ListSpacesRequest()).spaces)
