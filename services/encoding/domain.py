"""From the pixels of an image and its regions to crops and tiles, and from rows of numbers to embeddings."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from models.vision import tiles
from models.vision.local_encoder.points import region_points
from models.vision.local_encoder.reading import FeatureMaps, maps_of
from models.vision.preparation import PreparationSettings
from services.kernel.crops import mask_digest, pixel_box, pixel_mask, refused
from services.kernel.errors import InvalidInput
from services.kernel.regions import whole_image
from services.kernel.vocabulary import Box, Embedding, ImageReference, Region


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


class RegionReading(enum.Enum):
    """How the regions of an image are read."""

    CROP = "crop"
    """Each is cut out, what is around it is blurred, and it is seen for itself."""
    DENSE = "dense"
    """All are read from one map of the whole image."""


class RegionKey(NamedTuple):
    """What an embedding depends on: equal keys have equal embeddings, whoever asks."""

    image_digest: str
    box: Box
    mask_digest: str
    models: tuple[str, ...]
    reading: RegionReading


def region_key(
    image: ImageReference, region: Region, models: tuple[str, ...], reading: RegionReading
) -> RegionKey:
    """Return the key of a region; a mask counts by its digest, so that keys stay small."""
    return RegionKey(image.digest, region.box, mask_digest(region.mask), models, reading)


def least_px(settings: PreparationSettings) -> int:
    """Return how far a whole picture may be reduced while it is decoded: to twice what its crop needs."""
    return 2 * max(settings.size_px, settings.resize_px)


def by_resolution(
    image: ImageReference, regions: Sequence[Region], settings: PreparationSettings
) -> Iterator[tuple[int | None, Sequence[int]]]:
    """Yield the places of the regions that are cut from the same pixels, and how many pixels must be left.

    A whole picture may be reduced while it is decoded; a part of it is cut from all there is (None). What is
    decoded for a region depends on the region and on the encoder alone, so it looks the same whatever else
    is asked.
    """
    whole = whole_image(image).box
    is_whole = [region.box == whole and region.mask is None for region in regions]
    for least, wanted in ((least_px(settings), True), (None, False)):
        if places := [place for place, found in enumerate(is_whole) if found is wanted]:
            yield least, places


def blank_crop(settings: PreparationSettings) -> UInt8[np.ndarray, "1 size size 3"]:
    """Return a batch of one black square, for finding out what an image encoder makes."""
    return np.zeros((1, settings.size_px, settings.size_px, 3), dtype=np.uint8)


@dataclass(frozen=True)
class TileShape:
    """What a tile is, and how many vectors become of it."""

    side_px: int
    rows: int
    columns: int


def size_bytes(maps: FeatureMaps) -> int:
    """Return what it takes to keep the maps of an image."""
    return int(maps.local.nbytes + maps.overview.nbytes)


def grid_of(image: ImageReference, tile: TileShape, *, most_tiles: int) -> tiles.Grid:
    """Return the tiles in which most of an image survives. Raises InvalidInput if it has no pixels."""
    grids = [grid for grid in tiles.PAPER_GRIDS if grid.tiles <= most_tiles]
    try:
        return tiles.select_grid(image.width_px, image.height_px, side_px=tile.side_px, grids=grids)
    except ValueError as error:
        raise InvalidInput(str(error), field="image", reason="IMAGE_SIZE_MISMATCH") from error


def vectors_of(grid: tiles.Grid, tile: TileShape) -> int:
    """Return how many vectors the maps of an image have together, before anything is computed."""
    each = tile.rows * tile.columns
    return tiles.token_count(grid, overview=0 if grid == tiles.WHOLE else each, tile=each)


def feature_maps(seen: Float32[np.ndarray, "n h w dim"], grid: tiles.Grid) -> FeatureMaps:
    """Return the maps of an image's tiles, in memory of their own so that they keep nothing else alive."""
    found = maps_of(seen, grid)
    return found if grid == tiles.WHOLE else replace(found, overview=found.overview.copy())


def points(image: ImageReference, regions: Sequence[Region]) -> Float32[np.ndarray, "n point 3"]:
    """Return where each region is read, in order: shares of the image, and whether the point is inside.

    Raises:
        InvalidInput: A region holds no pixel of the image, or its mask does not fit it.
    """
    size = (image.height_px, image.width_px)
    return np.stack([_points(region, size) for region in regions])


def _points(region: Region, size: tuple[int, int]) -> Float32[np.ndarray, "point 3"]:
    try:
        mask = pixel_mask(region.mask, size)
        return region_points(pixel_box(region.box), mask, width_px=size[1], height_px=size[0])
    except ValueError as error:
        raise refused(region, error) from error
