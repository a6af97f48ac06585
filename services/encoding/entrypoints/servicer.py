"""The waiting door of encoding."""

from __future__ import annotations

import grpc

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from services.encoding import codec
from services.encoding.usecases import EncodeRegions, EncodeTexts


class EncodingServicer(encoding_pb2_grpc.EncodingServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, regions: EncodeRegions, texts: EncodeTexts) -> None:
        self._regions = regions
        self._texts = texts

    def EncodeRegions(
        self,
        request: pb.EncodeRegionsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.EncodeRegionsResponse:
        """Encode the regions of one image, in order."""
        return codec.write_regions_response(self._regions(*codec.read_regions_request(request)))

    def EncodeTexts(
        self,
        request: pb.EncodeTextsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.EncodeTextsResponse:
        """Encode texts into the space of names, in order."""
        return codec.write_texts_response(self._texts(codec.read_texts_request(request)))
