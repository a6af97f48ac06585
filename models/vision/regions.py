"""What a region of a picture can be, and which pixels it has.

Positions are (x, y) in pixels, x to the right, y down; the first pixel's centre is (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from models.vision import masks
from models.vision.boxes import Box
from models.vision.masks import EmptyMaskError

POINT_REACH_PX = 5
"""A point stands for the square of pixels up to so far from its own, as in Ferret (arXiv 2310.07704)."""
_TRIANGLE = 3
_GOLDEN_RATIO = (1 + 5**0.5) / 2


@dataclass(frozen=True)
class Point:
    """A position."""

    x: float
    y: float

    def __post_init__(self) -> None:
        """Refuse what is no position. Raises ValueError."""
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise ValueError(f"({self.x}, {self.y}) is no position")


@dataclass(frozen=True, eq=False)
class Polygon:
    """The inside of closed outlines: a pixel counts if its centre is in an odd number of them."""

    outlines: tuple[Float[np.ndarray, "_ 2"], ...]

    def __post_init__(self) -> None:
        """Refuse what encloses nothing. Raises ValueError."""
        if not self.outlines or min(map(len, self.outlines)) < _TRIANGLE:
            raise ValueError(f"a polygon needs an outline, and an outline {_TRIANGLE} corners")
        if not all(np.isfinite(outline).all() for outline in self.outlines):
            raise ValueError("a polygon's corners must be finite numbers")


@dataclass(frozen=True, eq=False)
class Mask:
    """The pixels themselves, in the picture's size."""

    pixels: Bool[np.ndarray, "h w"]


Region = Point | Box | Polygon | Mask


def bounds(region: Region, *, width_px: int, height_px: int) -> Box:
    """Return the smallest box in the picture around what the region may have pixels in.

    Raises:
        EmptyMaskError: If there is none.
        ValueError: If the mask is of another size.
    """
    if isinstance(region, Mask):
        if region.pixels.shape != (height_px, width_px):
            height, width = region.pixels.shape
            raise ValueError(f"the mask is {width} x {height}, the image {width_px} x {height_px}")
        return masks.bounding_box(region.pixels)
    try:
        return _box(region).within(width_px, height_px)
    except ValueError as error:
        raise EmptyMaskError(str(error)) from error


def pixels(region: Region, *, width_px: int, height_px: int, at_most: int) -> Int64[np.ndarray, "n 2"]:
    """Return column and row of a region's pixels, row by row; if it has more than `at_most`, of so many.

    Those are one of each of as many equal stretches of the way that goes through all of its pixels, row by
    row and back and forth. Where in its stretch each lies follows the squares of whole numbers times the
    golden ratio, which keep step with no region's width or pattern; nothing is drawn at random. No mask is
    made for points and boxes, and for polygons one of their own size only.

    Raises:
        EmptyMaskError: If no pixel of the picture is inside.
        ValueError: As `bounds`.
    """
    box = bounds(region, width_px=width_px, height_px=height_px)
    width = box.right - box.left
    inside = _inside(region, box)
    way = None if inside is None else np.flatnonzero(_back_and_forth(inside))
    count = box.area if way is None else way.size
    if count == 0:
        raise EmptyMaskError("no pixel is inside the region")
    step = np.arange(count) if count <= at_most else _spread(count, at_most)
    row, column = np.divmod(step if way is None else way[step], width)
    column = np.where(row % 2, width - 1 - column, column)
    found = np.sort(row * width + column)  # row by row
    return np.stack((found % width + box.left, found // width + box.top), axis=-1)


def _box(region: Point | Box | Polygon) -> Box:
    if isinstance(region, Box):
        return region
    if isinstance(region, Point):
        around = Box.around(region.x, region.y, region.x, region.y)
        reach = POINT_REACH_PX
        return Box(around.left - reach, around.top - reach, around.left + reach + 1, around.top + reach + 1)
    corners = np.concatenate(region.outlines)
    return Box.around(*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())


def _spread(count: int, taken: int) -> Int64[np.ndarray, "taken"]:
    """Return one number of each of `taken` equal stretches of 0 to `count`."""
    step = np.arange(taken + 1)
    first = step * count // taken
    return first[:-1] + (step[:-1] ** 2 * _GOLDEN_RATIO % 1 * np.diff(first)).astype(np.int64)


def _back_and_forth(inside: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """Return a mask with every second row turned round."""
    turned = inside.copy()
    turned[1::2] = inside[1::2, ::-1]
    return turned


def _inside(region: Region, box: Box) -> Bool[np.ndarray, "rows columns"] | None:
    """Return which pixels of its box a region has; None: all."""
    if isinstance(region, Mask):
        return region.pixels[box.rows, box.columns]
    if isinstance(region, Polygon):
        corners = [outline - (box.left, box.top) for outline in region.outlines]
        return masks.rasterise(corners, width_px=box.right - box.left, height_px=box.bottom - box.top)
    return None
