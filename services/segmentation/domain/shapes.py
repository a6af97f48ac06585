"""From what a caller points at to regions: clipped to the image, or refused with the field that is wrong."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float64, Int64

from models.vision import masks
from services.kernel.errors import InvalidInput, Unsupported
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import Box, ImageReference, Mask, Polygon, Region, RegionOrigin, Shape


def checked_image(image: ImageReference) -> ImageReference:
    """Return the reference. Raises InvalidInput unless its size in pixels is one that can be worked on."""
    sides = (image.width_px, image.height_px)
    if min(sides) < 1 or max(sides) > LIMITS.image_side_px or math.prod(sides) > LIMITS.image_pixels:
        raise InvalidInput(
            f"image is said to have {_size(image)} pixels; 1 to {LIMITS.image_side_px} a side "
            f"and {LIMITS.image_pixels} in all are allowed",
            field="image",
            reason="IMAGE_SIZE_INVALID",
        )
    return image


def region(index: int, shape: Shape, image: ImageReference) -> Region:
    """Return the region that a shape covers; its id is the shape's index.

    Raises:
        InvalidInput: It covers no pixel of the image; the field is `shapes[index].box` or the like.
    """
    field = f"shapes[{index}]"
    if isinstance(shape, Box):
        box, mask = _clipped(shape, image, field=f"{field}.box"), None
    elif isinstance(shape, Polygon):
        box, mask = _rasterised(shape, image, field=f"{field}.polygon")
    else:
        box, mask = _checked_mask(shape, image, field=f"{field}.mask")
    return Region(str(index), box, RegionOrigin.CALLER, mask)


def _clipped(box: Box, image: ImageReference, *, field: str) -> Box:
    clipped = Box(
        max(box.left, 0.0),
        max(box.top, 0.0),
        min(box.right, float(image.width_px)),
        min(box.bottom, float(image.height_px)),
    )
    if clipped.right <= clipped.left or clipped.bottom <= clipped.top:
        raise _outside(image, field=field, reason="BOX_OUTSIDE_IMAGE")
    return clipped


def _rasterised(polygon: Polygon, image: ImageReference, *, field: str) -> tuple[Box, Mask]:
    """Return box and mask; only the pixels around the polygon are drawn, however large the image."""
    corners = np.asarray(polygon.points, dtype=np.float64)  # (corner, 2)
    left, top, right, bottom = _window(corners, image)
    if right <= left or bottom <= top:
        raise _outside(image, field=field, reason="POLYGON_OUTSIDE_IMAGE")
    drawn = masks.rasterise([corners - (left, top)], width_px=right - left, height_px=bottom - top)
    if not drawn.any():
        raise InvalidInput(
            f"{field} holds no centre of a pixel of the image of {_size(image)}: it is too thin",
            field=field,
            reason="POLYGON_EMPTY",
        )
    if np.count_nonzero(drawn[1:] != drawn[:-1]) > LIMITS.mask_runs_per_image:
        raise too_many_runs(field)
    tight = masks.bounding_box(drawn)
    box = Box(
        float(tight.left + left), float(tight.top + top), float(tight.right + left), float(tight.bottom + top)
    )
    return box, Mask(image.height_px, image.width_px, placed(drawn, left, top, image))


def _window(corners: Float64[np.ndarray, "corner 2"], image: ImageReference) -> tuple[int, int, int, int]:
    """Return the whole pixels around the corners that lie in the image: left, top, right, bottom."""
    size = (image.width_px, image.height_px)
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, size).astype(int).tolist()
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, size).astype(int).tolist()
    return left, top, right, bottom


def placed(drawn: Bool[np.ndarray, "h w"], left: int, top: int, image: ImageReference) -> tuple[int, ...]:
    """Return the run lengths of a part, with its upper left pixel at (left, top), in the whole image."""
    height_px, width_px = image.height_px, drawn.shape[1]
    columns = np.zeros((width_px, height_px), dtype=np.bool_)  # each in one piece, as runs go along them
    columns[:, top : top + drawn.shape[0]] = drawn.T
    first, *counts = masks.encode(columns.T)
    after = (image.width_px - left - width_px) * height_px
    if len(counts) % 2 == 0:  # the last run is of zeros
        counts[-1] += after
    elif after:
        counts.append(after)
    return (first + left * height_px, *counts)


def _checked_mask(mask: Mask, image: ImageReference, *, field: str) -> tuple[Box, Mask]:
    if (mask.width_px, mask.height_px) != (image.width_px, image.height_px):
        raise InvalidInput(
            f"{field} is {mask.width_px} x {mask.height_px}, the image {_size(image)}; they must be equal",
            field=field,
            reason="MASK_SIZE_MISMATCH",
        )
    counts = np.asarray(mask.counts, dtype=np.int64)
    if counts.sum() != mask.width_px * mask.height_px:
        raise InvalidInput(
            f"{field}.counts sum to {counts.sum()}, not to the {mask.width_px * mask.height_px} pixels "
            f"of the image of {_size(image)}",
            field=f"{field}.counts",
            reason="MASK_COUNTS_INVALID",
        )
    if not counts[1::2].any():
        raise InvalidInput(
            f"{field} holds no pixel of the image of {_size(image)}", field=field, reason="MASK_EMPTY"
        )
    return _box_of_runs(counts, mask.height_px), mask


def _box_of_runs(counts: Int64[np.ndarray, "run"], height_px: int) -> Box:
    """Return the smallest box around a mask, from its run lengths alone."""
    ends = np.cumsum(counts)[1::2]
    lengths = counts[1::2]
    last = ends[lengths > 0] - 1
    first = last - lengths[lengths > 0] + 1
    columns = (first[0] // height_px, last[-1] // height_px)
    top, bottom = int((first % height_px).min()), int((last % height_px).max()) + 1
    if np.any(first // height_px != last // height_px):  # a run that goes on in the next column
        top, bottom = 0, height_px
    return Box(float(columns[0]), float(top), float(columns[1] + 1), float(bottom))


def runs(region: Region) -> int:
    """Return how many run lengths the region's mask has."""
    return 0 if region.mask is None else len(region.mask.counts)


def too_many_runs(field: str) -> InvalidInput:
    """Return the error for masks that are too finely cut to be passed on."""
    return InvalidInput(
        f"with {field} the masks of this image have more than {LIMITS.mask_runs_per_image} run lengths, "
        "polygons drawn; send fewer or smoother shapes",
        field=field,
        reason="TOO_MANY_MASK_RUNS",
    )


def no_detector() -> Unsupported:
    """Return the error for prompts where there is no detector."""
    return Unsupported(
        "no detector is installed, so regions cannot be found by prompts: set FOVEA_DETECTOR_MODEL to one of "
        "the model folder, or send shapes (boxes, polygons or masks), or neither for the whole image",
        field="prompts",
        reason="NO_DETECTOR",
    )


def _outside(image: ImageReference, *, field: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"{field} lies outside the image, which is {_size(image)} pixels", field=field, reason=reason
    )


def _size(image: ImageReference) -> str:
    return f"{image.width_px} x {image.height_px}"
