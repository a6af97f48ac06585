"""From the pixels of an image and its regions to crops, and from rows of numbers to embeddings."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from models.vision import boxes, masks
from models.vision.images import ImageLimits
from models.vision.preparation import DEFAULTS, prepare
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.regions import whole_image
from services.kernel.vocabulary import Box, Embedding, ImageReference, Mask, Region

LEAST_PX = 2 * DEFAULTS.size_px
"""How far a whole picture may be reduced while it is decoded: its crop is still drawn from twice its size."""
_REDUCTIONS = (1, 2, 4, 8)
IMAGE_LIMITS = ImageLimits(
    max_bytes=LIMITS.image_bytes, max_pixels=LIMITS.image_pixels, max_side_px=LIMITS.image_side_px
)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Embeddings of one batch in one space, a unit-norm row each, and the `name@digest` that made them."""

    rows: Float32[np.ndarray, "n dim"]
    encoder: str
    space: str

    def row(self, index: int) -> Embedding:
        """Return one embedding, in memory of its own so that it does not keep the batch alive."""
        return Embedding(self.rows[index].copy(), encoder=self.encoder, space=self.space)


def ensemble(embeddings: Sequence[Embedding]) -> Embedding:
    """Return the one embedding, or the direction of the mean of several that have one encoder and space."""
    first = embeddings[0]
    if len(embeddings) == 1:
        return first
    mean = np.mean([each.vector for each in embeddings], axis=0, dtype=np.float64)  # (dim,)
    length = float(np.linalg.norm(mean))
    if length == 0:
        raise InvalidInput("the templates say the opposite of each other", field="text")
    vector: Float32[np.ndarray, "dim"] = np.divide(mean, length, dtype=np.float64).astype(np.float32)
    return replace(first, vector=vector)


class RegionKey(NamedTuple):
    """What an embedding depends on: equal keys have equal embeddings, whoever asks."""

    image_digest: str
    box: Box
    mask_digest: str
    models: tuple[str, ...]


def region_key(image: ImageReference, region: Region, models: tuple[str, ...]) -> RegionKey:
    """Return the key of a region; a mask counts by its digest, so that keys stay small."""
    return RegionKey(image.digest, region.box, _mask_digest(region.mask), models)


def _mask_digest(mask: Mask | None) -> str:
    if mask is None:
        return ""
    content = np.asarray((mask.height_px, mask.width_px, *mask.counts), dtype=np.int64)
    return hashlib.sha256(content.tobytes()).hexdigest()


def by_resolution(
    image: ImageReference, regions: Sequence[Region]
) -> Iterator[tuple[int | None, Sequence[int]]]:
    """Yield the places of the regions that are cut from the same pixels, and how many pixels must be left.

    A whole picture may be reduced while it is decoded; a part of it is cut from all there is (None). What is
    decoded for a region depends on the region alone, so it looks the same whatever else is asked.
    """
    whole = whole_image(image).box
    is_whole = [region.box == whole and region.mask is None for region in regions]
    for least_px, wanted in ((LEAST_PX, True), (None, False)):
        if places := [place for place, found in enumerate(is_whole) if found is wanted]:
            yield least_px, places


def may_come_from(image: ImageReference, *, width_px: int, height_px: int, reduced: bool) -> bool:
    """Return whether pixels of this size are the image that is named, or one of its reductions."""
    factors = _REDUCTIONS if reduced else _REDUCTIONS[:1]
    return any(
        (width_px, height_px) == (math.ceil(image.width_px / factor), math.ceil(image.height_px / factor))
        for factor in factors
    )


def crops(
    pixels: UInt8[np.ndarray, "h w 3"], regions: Sequence[Region]
) -> UInt8[np.ndarray, "n size size 3"]:
    """Return each region as the square that the image encoder reads, in order.

    Raises:
        InvalidInput: A region holds no pixel of the image, or its mask does not fit it.
    """
    squares = [_crop(pixels, region) for region in regions]
    if len(squares) == 1:
        return squares[0][np.newaxis]
    return np.stack(squares)  # (n, size, size, 3)


def blank_crop() -> UInt8[np.ndarray, "1 size size 3"]:
    """Return a batch of one black square, for finding out what an image encoder makes."""
    return np.zeros((1, DEFAULTS.size_px, DEFAULTS.size_px, 3), dtype=np.uint8)


def _crop(pixels: UInt8[np.ndarray, "h w 3"], region: Region) -> UInt8[np.ndarray, "size size 3"]:
    try:
        return prepare(pixels, _pixel_box(region.box), _pixel_mask(region.mask, pixels))
    except ValueError as error:
        raise InvalidInput(
            f"region {region.region_id}: {error}", field="regions", reason="REGION_INVALID"
        ) from error


def _pixel_box(box: Box) -> boxes.Box:
    """Return the whole pixels that the box touches."""
    return boxes.Box(math.floor(box.left), math.floor(box.top), math.ceil(box.right), math.ceil(box.bottom))


def _pixel_mask(mask: Mask | None, pixels: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"] | None:
    if mask is None:
        return None
    if (mask.height_px, mask.width_px) != pixels.shape[:2]:
        height_px, width_px = pixels.shape[:2]
        raise ValueError(
            f"its mask is {mask.width_px} x {mask.height_px} pixels, the image {width_px} x {height_px}"
        )
    return masks.decode(mask.counts, width_px=mask.width_px, height_px=mask.height_px)
