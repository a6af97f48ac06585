"""The picture of a region as servers take it."""

from __future__ import annotations

import io
import math
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from models.vision.boxes import Box
from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import Region

_MARGIN: Final = 0.1
"""Of the region's longer side, seen around it."""
_LEAST_PX: Final = 56
"""Smaller pictures are scaled up: some families see nothing in less than two of their patches."""
_MOST_SLENDER: Final = 16
"""Times as long as it is wide; some families refuse what is more."""
_GREY: Final = (127, 127, 127)
_QUALITY: Final = 92


def jpeg_of(picture: UInt8[np.ndarray, "h w 3"], region: Region, *, most_px: int) -> bytes:
    """Return a region with a margin around it, its longer side at most `most_px`.

    Raises:
        InvalidInput: The region lies outside of the picture.
    """
    height, width = picture.shape[:2]
    try:
        box = Box.around(*region.box).within(width, height)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"the region {region.region_id} lies outside of its picture",
            field="regions",
            reason="REGION_OUTSIDE",
        ) from error
    margin = math.ceil(_MARGIN * max(box.right - box.left, box.bottom - box.top))
    seen = Box(box.left - margin, box.top - margin, box.right + margin, box.bottom + margin)
    seen = seen.within(width, height)
    written = io.BytesIO()
    crop = Image.fromarray(np.ascontiguousarray(picture[seen.rows, seen.columns]))
    _fitted(crop, most_px).save(written, "JPEG", quality=_QUALITY, subsampling=0)
    return written.getvalue()


def _fitted(crop: Image.Image, most_px: int) -> Image.Image:
    """Return a crop in a size that any server takes."""
    scale = min(max(1.0, _LEAST_PX / min(crop.size)), most_px / max(crop.size))
    if scale != 1.0:
        size = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
        crop = crop.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    least = min(most_px, max(_LEAST_PX, math.ceil(max(crop.size) / _MOST_SLENDER)))
    if min(crop.size) >= least:
        return crop
    canvas = Image.new("RGB", (max(crop.width, least), max(crop.height, least)), _GREY)
    canvas.paste(crop, ((canvas.width - crop.width) // 2, (canvas.height - crop.height) // 2))
    return canvas
