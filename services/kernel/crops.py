"""Regions of an image as the squares that an image encoder reads."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from models.vision import boxes, masks
from models.vision.preparation import DEFAULTS, PreparationSettings, prepare
from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import Box, Mask, Region


def crops(
    pixels: UInt8[np.ndarray, "h w 3"], regions: Sequence[Region], settings: PreparationSettings = DEFAULTS
) -> UInt8[np.ndarray, "n size size 3"]:
    """Return each region as the square that the image encoder reads, in order.

    Raises:
        InvalidInput: A region holds no pixel of the image, or its mask does not fit it.
    """
    squares = [_crop(pixels, region, settings) for region in regions]
    if len(squares) == 1:
        return squares[0][np.newaxis]
    return np.stack(squares)  # (n, size, size, 3)


def mask_digest(mask: Mask | None) -> str:
    """Return what a mask counts by in the key of something that is kept; nothing without a mask."""
    if mask is None:
        return ""
    content = np.asarray((mask.height_px, mask.width_px, *mask.counts), dtype=np.int64)
    return hashlib.sha256(content.tobytes()).hexdigest()


def _crop(
    pixels: UInt8[np.ndarray, "h w 3"], region: Region, settings: PreparationSettings
) -> UInt8[np.ndarray, "size size 3"]:
    try:
        mask = pixel_mask(region.mask, (pixels.shape[0], pixels.shape[1]))
        return prepare(pixels, pixel_box(region.box), mask, settings)
    except ValueError as error:
        raise refused(region, error) from error


def refused(region: Region, error: ValueError) -> InvalidInput:
    """Return the error for a region that does not fit its image."""
    return InvalidInput(
        f"region {region.region_id}: {error}; regions are in pixels of the upright image",
        field="regions",
        reason="REGION_INVALID",
    )


def pixel_box(box: Box) -> boxes.Box:
    """Return the whole pixels that the box touches."""
    return boxes.Box(math.floor(box.left), math.floor(box.top), math.ceil(box.right), math.ceil(box.bottom))


def pixel_mask(mask: Mask | None, size: tuple[int, int]) -> Bool[np.ndarray, "h w"] | None:
    """Return the pixels of a mask. Raises ValueError unless it has the image's height and width."""
    if mask is None:
        return None
    if (mask.height_px, mask.width_px) != size:
        raise ValueError(
            f"its mask is {mask.width_px} x {mask.height_px} pixels, the image {size[1]} x {size[0]}"
        )
    return masks.decode(mask.counts, width_px=mask.width_px, height_px=mask.height_px)
