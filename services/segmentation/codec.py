"""Messages of segmentation to values and back."""

from __future__ import annotations

from typing import Final

from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.segmentation.v1 import events_pb2 as events
from fovea.segmentation.v1 import segmentation_pb2 as pb
from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import Envelope, MaskFormat
from services.runtime.codec import prompt, recognition, region
from services.segmentation.usecases import DrawnMap, DrawnMaps, MapKind, MapOrder, Proposal, Wish

_KINDS: Final = {
    MapKind.SEMANTIC: pb.MAP_KIND_SEMANTIC,
    MapKind.PANOPTIC: pb.MAP_KIND_PANOPTIC,
}
_KINDS_READ: Final = {message: value for value, message in _KINDS.items()}


def read_request(message: pb.ProposeRegionsRequest) -> Wish:
    """Read which image, and where or for what to look. Raises InvalidInput."""
    prompt.require_known_format(message.find, field="find")
    return Wish(
        region.read_image(message.image),
        region.read_shapes(message.shapes, field="shapes"),
        prompt.read_prompts(message.prompts, field="prompts"),
        prompt.read_find(message.find, field="find"),
    )


def write_response(proposal: Proposal, mask_format: MaskFormat) -> pb.ProposeRegionsResponse:
    """Write the answer of the waiting door."""
    return pb.ProposeRegionsResponse(
        regions=[region.write_region(each, mask_format) for each in proposal.regions],
        stage=recognition.write_stage(proposal.stage),
    )


def read_event(message: gateway_events.ImageSubmitted) -> Envelope:
    """Read what was submitted. Raises InvalidInput."""
    return recognition.read_envelope(message.envelope)


def write_event(message: gateway_events.ImageSubmitted, proposal: Proposal) -> events.RegionsProposed:
    """Write the answer of the streaming door; its envelope has this stage as its last.

    Masks are run lengths: the next step reads pixels, and the gateway writes what the caller asked for.
    """
    return events.RegionsProposed(
        envelope=recognition.passed_on(message.envelope, proposal.stage),
        regions=map(region.write_region, proposal.regions),
    )


def read_order(message: pb.DrawMapsRequest) -> MapOrder:
    """Read which maps are wanted. Raises InvalidInput."""
    return MapOrder(
        region.read_image(message.image),
        prompt.read_prompts(message.prompts, field="prompts"),
        prompt.read_find(message.find, field="find"),
        frozenset(map(_read_kind, message.kinds)) or frozenset(MapKind),
        frozenset(message.stuff),
        message.side_px,
    )


def write_maps(drawn: DrawnMaps) -> pb.DrawMapsResponse:
    """Write where the maps of an image lie."""
    return pb.DrawMapsResponse(
        maps=map(_write_map, drawn.maps),
        segments=[
            pb.MapSegment(
                segment_id=each.id,
                prompt=each.prompt,
                score=each.score,
                area_px=each.area_px,
                stuff=each.stuff,
            )
            for each in drawn.segments
        ],
        stage=recognition.write_stage(drawn.stage),
    )


def _write_map(drawn: DrawnMap) -> pb.DrawnMap:
    return pb.DrawnMap(
        kind=_KINDS[drawn.kind],
        key=drawn.key,
        digest=drawn.digest,
        width_px=drawn.width_px,
        height_px=drawn.height_px,
    )


def _read_kind(number: pb.MapKind.ValueType) -> MapKind:
    if number not in _KINDS_READ:
        raise InvalidInput(
            f"kinds names {number}, which is no map: 1 is semantic, 2 panoptic",
            field="kinds",
            reason="MAP_KIND_UNKNOWN",
        )
    return _KINDS_READ[number]
