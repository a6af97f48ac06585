"""The streaming door of segmentation."""

from __future__ import annotations

from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.segmentation.v1 import events_pb2 as events
from services.segmentation import codec
from services.segmentation.usecases import ProposeRegions, Wish


class OnImagesSubmitted:
    """Handles one submitted image and returns its regions.

    Safe to repeat: the same event gives the same result under the same key.
    """

    def __init__(self, propose: ProposeRegions) -> None:
        self._propose = propose

    def __call__(self, event: gateway_events.ImageSubmitted) -> events.RegionsProposed:
        """Propose the regions that the image's options name."""
        envelope = codec.read_event(event)
        options = envelope.options
        wish = Wish(envelope.image, options.shapes, options.prompts, options.find)
        return codec.write_event(event, self._propose(wish))
