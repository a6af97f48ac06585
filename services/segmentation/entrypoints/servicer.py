"""The waiting door of segmentation."""
# ruff: noqa: ARG002  (arguments are gRPC's)

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import grpc

from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.kernel.limits import LIMITS
from services.runtime.codec.failure import failure_of, write_failure
from services.runtime.stream_window import Take, in_order
from services.runtime.stream_workers import Workers, outcome
from services.segmentation import codec
from services.segmentation.usecases import DrawMaps, ProposeRegions


class SegmentationServicer(segmentation_pb2_grpc.SegmentationServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, propose: ProposeRegions, draw: DrawMaps, workers: Workers) -> None:
        self._propose = propose
        self._draw = draw
        self._workers = workers

    def ProposeRegions(
        self, request: pb.ProposeRegionsRequest, context: grpc.ServicerContext
    ) -> pb.ProposeRegionsResponse:
        """Propose the regions that shapes or prompts name; the whole image if there are neither."""
        return self._proposed(request)

    def ProposeRegionsStream(
        self, request_iterator: Iterator[pb.ProposeRegionsStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ProposeRegionsStreamResponse]:
        """Propose the regions of a stream of images; one that fails carries its failure."""

        def begin(request: pb.ProposeRegionsStreamRequest) -> Take[pb.ProposeRegionsStreamResponse]:
            return partial(outcome, self._workers.submit(partial(self._item, request)))

        return in_order(request_iterator, begin, size=LIMITS.stream_window)

    def DrawMaps(self, request: pb.DrawMapsRequest, context: grpc.ServicerContext) -> pb.DrawMapsResponse:
        """Lay maps of an image into the object store."""
        return codec.write_maps(self._draw(codec.read_order(request)))

    def _item(self, request: pb.ProposeRegionsStreamRequest) -> pb.ProposeRegionsStreamResponse:
        try:
            proposed = self._proposed(request.item)
        except Exception as error:  # noqa: BLE001  (an item's error is its answer)
            failure = write_failure(failure_of(error))
            return pb.ProposeRegionsStreamResponse(item_id=request.item_id, failure=failure)
        return pb.ProposeRegionsStreamResponse(item_id=request.item_id, proposed=proposed)

    def _proposed(self, request: pb.ProposeRegionsRequest) -> pb.ProposeRegionsResponse:
        wish = codec.read_request(request)
        return codec.write_response(self._propose(wish), wish.find.mask_format)
