"""The waiting door of encoding."""

from __future__ import annotations

import grpc

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from services.encoding import codec
from services.encoding.usecases import EncodeRegions, EncodeTexts, Eyes


class EncodingServicer(encoding_pb2_grpc.EncodingServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, regions: EncodeRegions, texts: EncodeTexts, eyes: Eyes) -> None:
        self._regions = regions
        self._texts = texts
        self._eyes = eyes

    def EncodeRegions(
        self,
        request: pb.EncodeRegionsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.EncodeRegionsResponse:
        """Encode the regions of one image, in order."""
        work = codec.read_regions_request(request)
        return codec.write_regions_response(self._regions(work.image, work.regions, spaces=work.spaces))

    def EncodeTexts(
        self,
        request: pb.EncodeTextsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.EncodeTextsResponse:
        """Encode texts into the space of names, in order."""
        return codec.write_texts_response(self._texts(codec.read_texts_request(request)))

    def ListSpaces(
        self,
        request: pb.ListSpacesRequest,  # noqa: ARG002  (it asks for nothing in particular)
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.ListSpacesResponse:
        """Say into which spaces pictures are encoded here, and by what."""
        return codec.write_spaces_response(self._eyes.encoders())
