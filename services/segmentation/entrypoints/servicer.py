"""The waiting door of segmentation."""

from __future__ import annotations

import grpc

from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.segmentation import codec
from services.segmentation.usecases import ProposeRegions


class SegmentationServicer(segmentation_pb2_grpc.SegmentationServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, propose: ProposeRegions) -> None:
        self._propose = propose

    def ProposeRegions(
        self,
        request: pb.ProposeRegionsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  (gRPC's signature)
    ) -> pb.ProposeRegionsResponse:
        """Propose the regions that the shapes name; the whole image if there are none."""
        return codec.write_response(self._propose(*codec.read_request(request)))
