"""A rectangle of pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Whole pixels from `left` up to, not including, `right`; rows likewise.

    Attributes:
        left: First column.
        top: First row.
        right: Column after the last.
        bottom: Row after the last.
    """

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, left: float, top: float, right: float, bottom: float) -> Box:
        """Return the smallest box of whole pixels around these edges."""
        return cls(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))

    @property
    def area(self) -> int:
        """Pixels inside."""
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    @property
    def rows(self) -> slice:
        """Index into the first axis of an image."""
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        """Index into the second axis of an image."""
        return slice(self.left, self.right)

    def shifted(self, right: int, down: int) -> Box:
        """Return the same rectangle elsewhere."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def within(self, width_px: int, height_px: int) -> Box:
        """Return the part that lies in an image of this size. Raises ValueError if none does."""
        cut = Box(
            min(max(self.left, 0), width_px),
            min(max(self.top, 0), height_px),
            min(max(self.right, 0), width_px),
            min(max(self.bottom, 0), height_px),
        )
        if cut.area == 0:
            raise ValueError(f"no pixel of the {width_px} x {height_px} image lies in {self}")
        return cut
