"""Regions that every service means in the same way."""

from __future__ import annotations

from services.kernel.vocabulary import Box, ImageReference, Region, RegionOrigin


def whole_image(image: ImageReference) -> Region:
    """Return the one region that is all of the image."""
    return Region("0", Box(0.0, 0.0, float(image.width_px), float(image.height_px)), RegionOrigin.WHOLE_IMAGE)
