"""The pictures that a model is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from models.vision.images import ImageError, decode
from services.kernel.errors import InvalidInput
from services.kernel.pictures import IMAGE_LIMITS, decoded
from services.kernel.regions import whole_image
from services.kernel.vocabulary import Box, ImageReference, Region
from services.ranking.ports import ImageSource


class Part(NamedTuple):
    """Pixels, and where in them the region lies."""

    pixels: UInt8[np.ndarray, "h w 3"]
    region: Region


class Pictures:
    """Decodes an image for its regions: in full for parts of it, and as far as is needed for all of it.

    Args:
        images: Where the bytes are.
        least_px: That a whole picture must keep on its shorter side.
    """

    def __init__(self, images: ImageSource, *, least_px: int) -> None:
        self._images = images
        self._least_px = least_px

    def exemplar(self, key: str) -> UInt8[np.ndarray, "h w 3"]:
        """Return the upright pixels of a picture that was taught; its key ends with its digest.

        Raises as a call does.
        """
        image = ImageReference(key.rpartition("/")[2], key, "", 0, 0, 0)
        try:
            return decode(self._images.read(image), limits=IMAGE_LIMITS)
        except ImageError as error:
            raise InvalidInput(str(error), field="image", reason=error.reason) from error

    def __call__(self, image: ImageReference, regions: Sequence[Region]) -> list[Part]:
        """Return the pixels for each region, in order.

        What a region is seen by depends on it alone, not on what else is asked about.

        Raises:
            InvalidInput: The bytes are no picture, or one of another size than is said.
            NotFound, Corrupt, Unavailable: The image is not to be had.
        """
        data = self._images.read(image)
        everything = whole_image(image).box
        whole = [region.mask is None and region.box == everything for region in regions]
        small = decoded(data, image, least_px=self._least_px) if any(whole) else None
        full = None if all(whole) else decoded(data, image)
        parts = []
        for region, is_whole in zip(regions, whole, strict=True):
            if is_whole and small is not None:
                box = Box(0.0, 0.0, float(small.shape[1]), float(small.shape[0]))
                parts.append(Part(small, replace(region, box=box)))
            elif full is not None:
                parts.append(Part(full, region))
        return parts
