"""Images, shapes and regions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fovea.kernel.v1 import image_pb2, region_pb2
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.regions import outlined
from services.kernel.vocabulary import (
    Box,
    FoundBy,
    ImageReference,
    Mask,
    MaskFormat,
    Point,
    Polygon,
    Region,
    RegionOrigin,
    Shape,
)

_ORIGINS = {
    RegionOrigin.WHOLE_IMAGE: region_pb2.REGION_ORIGIN_WHOLE_IMAGE,
    RegionOrigin.CALLER: region_pb2.REGION_ORIGIN_CALLER,
    RegionOrigin.PROMPT: region_pb2.REGION_ORIGIN_PROMPT,
}
_ORIGINS_READ = {message: value for value, message in _ORIGINS.items()}


def read_image(message: image_pb2.ImageReference) -> ImageReference:
    """Read a reference to a stored image."""
    return ImageReference(
        digest=message.digest,
        key=message.key,
        media_type=message.media_type,
        size_bytes=message.size_bytes,
        width_px=message.width_px,
        height_px=message.height_px,
    )


def write_image(image: ImageReference) -> image_pb2.ImageReference:
    """Write a reference to a stored image."""
    return image_pb2.ImageReference(
        digest=image.digest,
        key=image.key,
        media_type=image.media_type,
        size_bytes=image.size_bytes,
        width_px=image.width_px,
        height_px=image.height_px,
    )


def read_box(message: region_pb2.Box, *, field: str) -> Box:
    """Read a box; its edges are finite and in order."""
    box = Box(message.left, message.top, message.right, message.bottom)
    if not all(map(math.isfinite, box)):
        raise InvalidInput(
            f"{field} has an edge that is not a finite number", field=field, reason="BOX_INVALID"
        )
    if box.right <= box.left or box.bottom <= box.top:
        raise InvalidInput(
            f"{field} is empty: right must be greater than left, bottom greater than top",
            field=field,
            reason="BOX_EMPTY",
        )
    return box


def write_box(box: Box) -> region_pb2.Box:
    """Write a box."""
    return region_pb2.Box(left=box.left, top=box.top, right=box.right, bottom=box.bottom)


def _read_mask(message: region_pb2.Mask, *, field: str) -> Mask:
    if (
        len(message.counts) > LIMITS.mask_runs_per_image
    ):  # before a hostile message becomes a gigabyte of numbers
        raise InvalidInput(
            f"{field} has {len(message.counts):,} runs, at most {LIMITS.mask_runs_per_image:,} are allowed",
            field=f"{field}.counts",
            reason="TOO_MANY_MASK_RUNS",
        )
    return Mask(message.height_px, message.width_px, tuple(message.counts))


def _write_mask(mask: Mask) -> region_pb2.Mask:
    return region_pb2.Mask(height_px=mask.height_px, width_px=mask.width_px, counts=mask.counts)


def _write_polygon(polygon: Polygon) -> region_pb2.Polygon:
    return region_pb2.Polygon(points=[region_pb2.Point(x=point.x, y=point.y) for point in polygon.points])


def _read_polygon(message: region_pb2.Polygon, *, field: str) -> Polygon:
    if not 3 <= len(message.points) <= LIMITS.polygon_points:  # noqa: PLR2004  (a triangle is the least)
        raise InvalidInput(
            f"{field} has {len(message.points)} corners; 3 to {LIMITS.polygon_points} are allowed",
            field=field,
            reason="POLYGON_INVALID",
        )
    points = tuple(Point(point.x, point.y) for point in message.points)
    if not all(math.isfinite(point.x) and math.isfinite(point.y) for point in points):
        raise InvalidInput(
            f"{field} has a corner that is not a finite number", field=field, reason="POLYGON_INVALID"
        )
    return Polygon(points)


def read_shape(message: region_pb2.Shape, *, field: str) -> Shape:
    """Read a box, polygon or mask. Whether it fits an image is for segmentation to say."""
    kind = message.WhichOneof("kind")
    if kind == "box":
        return read_box(message.box, field=f"{field}.box")
    if kind == "polygon":
        return _read_polygon(message.polygon, field=f"{field}.polygon")
    if kind == "mask":
        return _read_mask(message.mask, field=f"{field}.mask")
    raise InvalidInput(f"{field} names no box, polygon or mask", field=field, reason="SHAPE_MISSING")


def read_shapes(messages: Sequence[region_pb2.Shape], *, field: str) -> tuple[Shape, ...]:
    """Read the shapes of one image."""
    if len(messages) > LIMITS.regions_per_image:
        raise InvalidInput(
            f"{field} has {len(messages)} entries, at most {LIMITS.regions_per_image} are allowed",
            field=field,
            reason="TOO_MANY_REGIONS",
        )
    return tuple(read_shape(message, field=f"{field}[{i}]") for i, message in enumerate(messages))


def write_shape(shape: Shape) -> region_pb2.Shape:
    """Write a box, polygon or mask."""
    if isinstance(shape, Box):
        return region_pb2.Shape(box=write_box(shape))
    if isinstance(shape, Mask):
        return region_pb2.Shape(mask=_write_mask(shape))
    return region_pb2.Shape(polygon=_write_polygon(shape))


def read_region(message: region_pb2.Region, *, field: str) -> Region:
    """Read a region."""
    return Region(
        region_id=message.region_id,
        box=read_box(message.box, field=f"{field}.box"),
        origin=_ORIGINS_READ.get(message.origin, RegionOrigin.CALLER),
        mask=_read_mask(message.mask, field=f"{field}.mask") if message.HasField("mask") else None,
        found_by=_read_found_by(message.found_by) if message.HasField("found_by") else None,
    )


def _read_found_by(message: region_pb2.FoundBy) -> FoundBy:
    return FoundBy(message.prompt, message.score, message.threshold)


def read_regions(messages: Sequence[region_pb2.Region], *, field: str) -> tuple[Region, ...]:
    """Read the regions of one image."""
    if len(messages) > LIMITS.regions_per_image:
        raise InvalidInput(
            f"{field} has {len(messages)} entries, at most {LIMITS.regions_per_image} are allowed",
            field=field,
            reason="TOO_MANY_REGIONS",
        )
    return tuple(read_region(message, field=f"{field}[{i}]") for i, message in enumerate(messages))


def write_region(region: Region, mask_format: MaskFormat = MaskFormat.RLE) -> region_pb2.Region:
    """Write a region; polygons are for callers alone, since what was simplified is not read back."""
    as_polygons = region.mask is not None and mask_format is MaskFormat.POLYGONS
    return region_pb2.Region(
        region_id=region.region_id,
        box=write_box(region.box),
        origin=_ORIGINS[region.origin],
        mask=None if region.mask is None or as_polygons else _write_mask(region.mask),
        polygons=map(_write_polygon, outlined(region.mask)) if region.mask and as_polygons else (),
        found_by=None if region.found_by is None else region_pb2.FoundBy(**region.found_by._asdict()),
    )
