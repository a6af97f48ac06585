"""Shapes, in pixels of the original image after EXIF orientation: x to the right, y down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Box(NamedTuple):
    """An upright rectangle; `right` and `bottom` are exclusive edges."""

    left: float
    top: float
    right: float
    bottom: float


class Point(NamedTuple):
    """A point of the image."""

    x: float
    y: float


@dataclass(frozen=True)
class Polygon:
    """A closed polygon; the inside follows the even-odd rule."""

    points: tuple[Point, ...]


@dataclass(frozen=True)
class Mask:
    """A binary mask over the whole image, in COCO's uncompressed run lengths."""

    height_px: int
    width_px: int
    counts: tuple[int, ...]
