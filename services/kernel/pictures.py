"""Images as pixels."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from jaxtyping import UInt8

from models.vision.images import ImageError, ImageLimits, decode
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import ImageReference

IMAGE_LIMITS: Final = ImageLimits(
    max_bytes=LIMITS.image_bytes, max_pixels=LIMITS.image_pixels, max_side_px=LIMITS.image_side_px
)
_REDUCTIONS: Final = (1, 2, 4, 8)


def decoded(data: bytes, image: ImageReference, *, least_px: int | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Return the upright pixels of an image.

    Args:
        data: The file.
        image: What it is said to be.
        least_px: How far it may be reduced while it is decoded; None: in full.

    Raises:
        InvalidInput: The bytes are no picture, or one of another size than is said.
    """
    try:
        pixels = decode(data, limits=IMAGE_LIMITS, least_px=least_px)
    except ImageError as error:
        raise InvalidInput(str(error), field="image", reason=error.reason) from error
    height_px, width_px = pixels.shape[:2]
    if not may_come_from(image, width_px=width_px, height_px=height_px, reduced=least_px is not None):
        raise InvalidInput(
            f"the image has {width_px} x {height_px} pixels, "
            f"but is said to have {image.width_px} x {image.height_px}",
            field="image",
            reason="IMAGE_SIZE_MISMATCH",
        )
    return pixels


def may_come_from(image: ImageReference, *, width_px: int, height_px: int, reduced: bool) -> bool:
    """Return whether pixels of this size are the image that is named, or one of its reductions."""
    factors = _REDUCTIONS if reduced else _REDUCTIONS[:1]
    return any(
        (width_px, height_px) == (math.ceil(image.width_px / factor), math.ceil(image.height_px / factor))
        for factor in factors
    )
