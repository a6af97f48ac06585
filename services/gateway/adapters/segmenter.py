"""Segmentation over gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import grpc

from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.gateway.codec.recognition import outer_field
from services.gateway.ports import Proposal
from services.gateway.ports.steps import NOTHING_SAID
from services.kernel.errors import InvalidInput, NotFound, Unsupported
from services.kernel.vocabulary import FindOptions, ImageReference, MaskFormat, Prompt, Shape
from services.runtime.codec.prompt import write_find, write_prompt
from services.runtime.codec.recognition import read_stage
from services.runtime.codec.region import read_regions, write_image, write_shape


class GrpcSegmenter:
    """Asks the segmentation service; its fields are renamed to what the gateway's caller knows."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = segmentation_pb2_grpc.SegmentationServiceStub(channel)

    def propose(
        self,
        image: ImageReference,
        *,
        shapes: Sequence[Shape] = (),
        prompts: Sequence[Prompt] = (),
        find: FindOptions = NOTHING_SAID,
    ) -> Proposal:
        """Return the regions that shapes or prompts name, with masks that the next steps can read."""
        request = pb.ProposeRegionsRequest(
            image=write_image(image),
            shapes=map(write_shape, shapes),
            prompts=map(write_prompt, prompts),
            find=write_find(replace(find, mask_format=MaskFormat.RLE)),
        )
        try:
            reply = self._stub.ProposeRegions(request)
        except (InvalidInput, NotFound, Unsupported) as error:
            field = outer_field(error.field)
            raise type(error)(error.message, field=field, reason=error.reason) from error
        return Proposal(read_regions(reply.regions, field="regions"), read_stage(reply.stage))
