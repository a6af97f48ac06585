"""Regions that every service means in the same way."""

from __future__ import annotations

from models.vision.polygons import polygons
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Box, ImageReference, Mask, Point, Polygon, Region, RegionOrigin


def whole_image(image: ImageReference) -> Region:
    """Return the one region that is all of the image."""
    return Region("0", Box(0.0, 0.0, float(image.width_px), float(image.height_px)), RegionOrigin.WHOLE_IMAGE)


def outlined(mask: Mask) -> tuple[Polygon, ...]:
    """Return the polygons of a mask, of a bounded number of points; `models.vision.polygons` says which."""
    drawn = polygons(mask.counts, height_px=mask.height_px, most_points=LIMITS.polygon_points_per_mask)
    return tuple(Polygon(tuple(Point(x, y) for x, y in corners.tolist())) for corners in drawn)
