"""Segmentation put together."""

from __future__ import annotations

from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.runtime import deadline
from services.runtime.assembly import Assembly
from services.runtime.event_loop import Subscription
from services.runtime.grpc_server import Servicer
from services.segmentation.entrypoints.handlers import OnImagesSubmitted
from services.segmentation.entrypoints.servicer import SegmentationServicer
from services.segmentation.usecases import ProposeRegions


def assemble(*, version: str) -> Assembly:
    """Return segmentation, which needs nothing from the world yet.

    Args:
        version: Of this release, for the records.
    """
    propose = ProposeRegions(version=version, check=deadline.check)
    return Assembly(
        name="segmentation",
        servicers=(
            Servicer(
                "fovea.segmentation.v1.SegmentationService",
                segmentation_pb2_grpc.add_SegmentationServiceServicer_to_server,
                SegmentationServicer(propose),
            ),
        ),
        subscriptions=(Subscription("images.submitted", "segmentation", OnImagesSubmitted(propose)),),
    )
