"""Images as pixels."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from models.vision.images import ImageError, decode
from services.encoding import domain
from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import ImageReference


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
        pixels = decode(data, limits=domain.IMAGE_LIMITS, least_px=least_px)
    except ImageError as error:
        raise InvalidInput(str(error), field="image", reason=error.reason) from error
    height_px, width_px = pixels.shape[:2]
    if not domain.may_come_from(image, width_px=width_px, height_px=height_px, reduced=least_px is not None):
        raise InvalidInput(
            f"the image has {width_px} x {height_px} pixels, "
            f"but is said to have {image.width_px} x {image.height_px}",
            field="image",
            reason="IMAGE_SIZE_MISMATCH",
        )
    return pixels
