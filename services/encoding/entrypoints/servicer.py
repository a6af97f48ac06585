"""The waiting door of encoding."""
# ruff: noqa: ARG002  (arguments are gRPC's)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import grpc

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from services.encoding import codec
from services.encoding.usecases import EncodeMaps, EncodeRegions, EncodeTexts, Eyes, Readers
from services.kernel.errors import Unsupported
from services.kernel.limits import LIMITS
from services.runtime.codec.failure import failure_of, write_failure
from services.runtime.codec.region import read_image
from services.runtime.stream_window import Take, in_order
from services.runtime.stream_workers import Workers, outcome


@dataclass(frozen=True)
class EncodingCases:
    """The use cases behind EncodingService; without a model that makes them there are no maps."""

    regions: EncodeRegions
    texts: EncodeTexts
    maps: EncodeMaps | None
    eyes: Eyes
    readers: Readers


class EncodingServicer(encoding_pb2_grpc.EncodingServiceServicer):
    """Errors pass through: the server's interceptor gives them a status."""

    def __init__(self, cases: EncodingCases, workers: Workers) -> None:
        self._cases = cases
        self._workers = workers

    def EncodeRegions(
        self, request: pb.EncodeRegionsRequest, context: grpc.ServicerContext
    ) -> pb.EncodeRegionsResponse:
        """Encode the regions of one image, in order."""
        return self._encoded(request)

    def EncodeRegionsStream(
        self, request_iterator: Iterator[pb.EncodeRegionsStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.EncodeRegionsStreamResponse]:
        """Encode the regions of a stream of images; one that fails carries its failure."""

        def begin(request: pb.EncodeRegionsStreamRequest) -> Take[pb.EncodeRegionsStreamResponse]:
            return partial(outcome, self._workers.submit(partial(self._item, request)))

        return in_order(request_iterator, begin, size=LIMITS.stream_window)

    def _item(self, request: pb.EncodeRegionsStreamRequest) -> pb.EncodeRegionsStreamResponse:
        try:
            encoded = self._encoded(request.item)
        except Exception as error:  # noqa: BLE001  (an item's error is its answer)
            failure = write_failure(failure_of(error))
            return pb.EncodeRegionsStreamResponse(item_id=request.item_id, failure=failure)
        return pb.EncodeRegionsStreamResponse(item_id=request.item_id, encoded=encoded)

    def _encoded(self, request: pb.EncodeRegionsRequest) -> pb.EncodeRegionsResponse:
        work = codec.read_regions_request(request)
        found = self._cases.regions(work.image, work.regions, spaces=work.spaces, reading=work.reading)
        return codec.write_regions_response(found)

    def EncodeTexts(
        self, request: pb.EncodeTextsRequest, context: grpc.ServicerContext
    ) -> pb.EncodeTextsResponse:
        """Encode texts into one space, in order."""
        found = self._cases.texts(codec.read_texts_request(request), space=request.space)
        return codec.write_texts_response(found)

    def ListSpaces(
        self, request: pb.ListSpacesRequest, context: grpc.ServicerContext
    ) -> pb.ListSpacesResponse:
        """Say into which spaces pictures and texts are encoded here, and by what."""
        return codec.write_spaces_response(self._cases.eyes.encoders(), self._cases.readers.encoders())

    def EncodeMaps(
        self, request: pb.EncodeMapsRequest, context: grpc.ServicerContext
    ) -> pb.EncodeMapsResponse:
        """Lay the maps of an image into the object store."""
        if self._cases.maps is None:
            raise Unsupported(
                "no maps are made here: set FOVEA_LOCAL_MODEL and FOVEA_REGIONS_MODEL",
                reason="READING_NOT_SERVED",
            )
        image = read_image(request.image)
        return codec.write_maps_response(self._cases.maps(image, most_vectors=request.most_vectors))
