"""Pictures in the square that an imported model sees."""

from __future__ import annotations

from typing import Literal

from models.segmentation.prepared import Square, whole
from models.vision.boxes import Box

Fit = Literal["corner", "stretch"]
"""Whether the aspect is kept, and the picture lies in the upper left, or it fills the square."""


def square_of(width_px: int, height_px: int, *, side_px: int, fit: Fit) -> Square:
    """Return the square that shows all of a picture. Raises ValueError if there is no picture."""
    if fit == "corner":
        return whole(width_px, height_px, side_px=side_px)
    if min(width_px, height_px) < 1:
        raise ValueError(f"{width_px} x {height_px} pixels cannot go into a square of {side_px}")
    return Square(Box(0, 0, width_px, height_px), side_px, side_px, side_px)
