"""All regions of an image read from one any-resolution map: tiles and the whole, encoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from models.vision.boxes import Box
from models.vision.local_encoder.points import region_points
from models.vision.tiles import WHOLE, Grid, cut, merge, select_grid, stretched

SIDE_PX = 224
"""Of a tile."""

Local = Callable[[UInt8[np.ndarray, "n 224 224 3"]], Float32[np.ndarray, "n h w d"]]
Regions = Callable[
    [Float32[np.ndarray, "1 H W d"], Float32[np.ndarray, "1 h w d"], Float32[np.ndarray, "1 r p 3"]],
    Float32[np.ndarray, "1 r dim"],
]


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """What an image is encoded into.

    Attributes:
        local: Of its tiles, merged.
        overview: Of the whole image as one tile.
    """

    local: Float32[np.ndarray, "H W d"]
    overview: Float32[np.ndarray, "h w d"]


def tiles_of(
    image: UInt8[np.ndarray, "h w 3"], grid: Grid, *, side_px: int = SIDE_PX
) -> UInt8[np.ndarray, "n side side 3"]:
    """Return an image's tiles and then the whole of it as one tile; that alone where the grid is one tile."""
    height_px, width_px = image.shape[:2]
    whole = cut(image, stretched(width_px, height_px, grid=WHOLE, side_px=side_px))
    if grid == WHOLE:
        return whole
    fine = cut(image, stretched(width_px, height_px, grid=grid, side_px=side_px))
    return np.concatenate([fine, whole])


def maps_of(patches: Float32[np.ndarray, "n h w d"], grid: Grid) -> FeatureMaps:
    """Return the maps from the patches of `tiles_of`."""
    return FeatureMaps(merge(patches[: grid.tiles], grid), patches[-1])


@dataclass(frozen=True, eq=False)
class Reader:
    """Encodes an image once and reads any number of its regions.

    Attributes:
        local: The local encoder.
        regions: The reader of its maps.
    """

    local: Local
    regions: Regions

    def encode(self, image: UInt8[np.ndarray, "h w 3"], grid: Grid | None = None) -> FeatureMaps:
        """Return the maps of an image.

        Args:
            image: RGB.
            grid: Of its tiles; None: the one in which most of its pixels survive.
        """
        if grid is None:
            grid = select_grid(image.shape[1], image.shape[0], side_px=SIDE_PX)
        return maps_of(self.local(tiles_of(image, grid)), grid)

    def read(
        self,
        image: UInt8[np.ndarray, "h w 3"],
        boxes: Sequence[Box],
        masks: Sequence[Bool[np.ndarray, "h w"] | None] | None = None,
        *,
        grid: Grid | None = None,
    ) -> Float32[np.ndarray, "r dim"]:
        """Return the embedding of each region of an image.

        Args:
            image: RGB.
            boxes: The regions.
            masks: Which pixels of the image each has; None: all of its box.
            grid: As `encode`.

        Raises:
            EmptyMaskError: If no pixel of a mask lies in its box.
            ValueError: If a box has no pixel of the image, or there are not as many masks as boxes.
        """
        height_px, width_px = image.shape[:2]
        points = [
            region_points(box, mask, width_px=width_px, height_px=height_px)
            for box, mask in zip(boxes, masks or [None] * len(boxes), strict=True)
        ]
        maps = self.encode(image, grid)
        read: np.ndarray = self.regions(maps.local[None], maps.overview[None], np.stack(points)[None])[0]
        return read
