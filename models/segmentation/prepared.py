"""A picture as the squares that a detector reads, and what it finds there as pixels of the picture again."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from models.vision.boxes import Box
from models.vision.tiles import WHOLE, Grid

SIDE_PX: Final = 384
PADDING: Final = 127
"""Grey of a square where the picture is not."""
OVERLAP: Final = Fraction(1, 8)
"""Of a tile's side: how far it reaches into its neighbour. What is smaller is whole in one of the two."""
_REDUCING_GAP: Final = 2.0


@dataclass(frozen=True)
class Square:
    """A part of a picture in the upper left of a square, its aspect kept to whole pixels.

    Attributes:
        window: The part, in pixels of the picture.
        width_px: Of what is drawn.
        height_px: Of what is drawn.
        side_px: Of the square.
    """

    window: Box
    width_px: int
    height_px: int
    side_px: int = SIDE_PX

    def to_image(self, boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
        """Return boxes in pixels of the picture, cut at the window's edges.

        Args:
            boxes: Left, top, right, bottom as shares of the square.
        """
        placed: np.ndarray = boxes * self._pixels_per_share + self._origin
        left, top = self.window.left, self.window.top
        right, bottom = self.window.right, self.window.bottom
        cut: np.ndarray = np.clip(placed, (left, top, left, top), (right, bottom, right, bottom))
        return cut

    def to_square(self, boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
        """Return boxes as shares of the square: the inverse of `to_image` for what lies in the window."""
        shares: np.ndarray = (boxes - self._origin) / self._pixels_per_share
        return shares

    @property
    def _pixels_per_share(self) -> Float[np.ndarray, "4"]:
        across = (self.window.right - self.window.left) * self.side_px / self.width_px
        down = (self.window.bottom - self.window.top) * self.side_px / self.height_px
        return np.array((across, down, across, down))

    @property
    def _origin(self) -> Float[np.ndarray, "4"]:
        return np.array((self.window.left, self.window.top) * 2, dtype=np.float64)


def whole(width_px: int, height_px: int, *, side_px: int = SIDE_PX) -> Square:
    """Return the square that shows all of a picture. Raises ValueError if there is no picture."""
    return _square(Box(0, 0, width_px, height_px), side_px)


def views(width_px: int, height_px: int, grid: Grid, *, side_px: int = SIDE_PX) -> tuple[Square, ...]:
    """Return the whole picture, and its tiles row by row if there is more than one.

    Tiles overlap, and together cover the picture.

    Raises:
        ValueError: If there is no picture.
    """
    overview = whole(width_px, height_px, side_px=side_px)
    if grid == WHOLE:
        return (overview,)
    across, down = _spans(width_px, grid.columns), _spans(height_px, grid.rows)
    windows = [Box(left, top, right, bottom) for top, bottom in down for left, right in across]
    return (overview, *(_square(window, side_px) for window in windows))


def draw(picture: UInt8[np.ndarray, "h w 3"], square: Square) -> UInt8[np.ndarray, "side side 3"]:
    """Return the square's pixels. Raises ValueError unless its window lies in the picture."""
    height_px, width_px = picture.shape[:2]
    window = square.window
    if window.within(width_px, height_px) != window:
        raise ValueError(f"{window} does not lie in a picture of {width_px} x {height_px}")
    scaled = Image.fromarray(picture[window.rows, window.columns]).resize(
        (square.width_px, square.height_px), Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP
    )
    drawn = np.full((square.side_px, square.side_px, 3), PADDING, dtype=np.uint8)
    drawn[: square.height_px, : square.width_px] = np.asarray(scaled)
    return drawn


def _square(window: Box, side_px: int) -> Square:
    width, height = window.right - window.left, window.bottom - window.top
    if min(width, height, side_px) < 1:
        raise ValueError(f"{width} x {height} pixels cannot go into a square of {side_px}")
    scale = Fraction(side_px, max(width, height))
    across, down = (max(1, int(side * scale + Fraction(1, 2))) for side in (width, height))
    return Square(window, across, down, side_px)


def _spans(length: int, parts: int) -> list[tuple[int, int]]:
    """Return where parts of equal length begin and end, each reaching into the next."""
    size = length / (parts - (parts - 1) * OVERLAP)
    starts = [int(part * size * (1 - OVERLAP)) for part in range(parts)]
    return [(start, min(length, int(start + size + 1))) for start in starts]
