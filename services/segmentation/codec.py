"""Messages of segmentation to values and back."""

from __future__ import annotations

from collections.abc import Sequence

from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.kernel.v1 import region_pb2
from fovea.segmentation.v1 import events_pb2 as events
from fovea.segmentation.v1 import segmentation_pb2 as pb
from services.kernel.vocabulary import Envelope, ImageReference, Prompt, Region, Shape
from services.runtime.codec import prompt, recognition, region
from services.segmentation.usecases import Proposal

Request = tuple[ImageReference, tuple[Shape, ...], tuple[Prompt, ...]]


def read_request(message: pb.ProposeRegionsRequest) -> Request:
    """Read which image, and where or for what to look. Raises InvalidInput."""
    return (
        region.read_image(message.image),
        region.read_shapes(message.shapes, field="shapes"),
        prompt.read_prompts(message.prompts, field="prompts"),
    )


def write_response(proposal: Proposal) -> pb.ProposeRegionsResponse:
    """Write the answer of the waiting door."""
    return pb.ProposeRegionsResponse(
        regions=_write_regions(proposal.regions), stage=recognition.write_stage(proposal.stage)
    )


def read_event(message: gateway_events.ImageSubmitted) -> Envelope:
    """Read what was submitted. Raises InvalidInput."""
    return recognition.read_envelope(message.envelope)


def write_event(message: gateway_events.ImageSubmitted, proposal: Proposal) -> events.RegionsProposed:
    """Write the answer of the streaming door; its envelope has this stage as its last."""
    return events.RegionsProposed(
        envelope=recognition.passed_on(message.envelope, proposal.stage),
        regions=_write_regions(proposal.regions),
    )


def _write_regions(regions: Sequence[Region]) -> list[region_pb2.Region]:
    return [region.write_region(each) for each in regions]
