"""SAM and SAM 2: masks from boxes. A picture is seen once, and then asked for any number of boxes.

Source: Kirillov et al., arXiv 2304.02643; Ravi et al., arXiv 2408.00714. One mask a box, as its publishers
advise: several are for points, which may mean a thing or a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, UInt8

from models.segmentation.imported.running import Runs
from models.segmentation.imported.squares import Fit, square_of
from models.segmentation.prepared import Square, draw

_AT_ONCE: Final = 16
"""Boxes of one forward pass: each takes a map of the picture for itself."""


@dataclass(frozen=True)
class MaskModels:
    """What is asked, and how.

    Attributes:
        image: The model that sees.
        masks: The model that draws.
        side_px: Of the square that is seen.
        fit: How a picture lies in it.
        sized: Whether the model is told how much of the square the picture fills.
    """

    image: str
    masks: str
    side_px: int
    fit: Fit
    sized: bool


@dataclass(frozen=True, eq=False)
class SeenPicture:
    """What a picture looks like, whatever is asked of it.

    Attributes:
        square: How it was shown.
        maps: By the names that the model which draws has for them.
    """

    square: Square
    maps: Mapping[str, np.ndarray]


class BoxMasks:
    """Asks two models. Safe to use from many threads.

    Args:
        models: Run them.
        asked: Which, and how.
    """

    def __init__(self, models: Runs, asked: MaskModels) -> None:
        self._models = models
        self._asked = asked

    def see(self, picture: UInt8[np.ndarray, "h w 3"]) -> SeenPicture:
        """Return what a picture of any size looks like."""
        height_px, width_px = picture.shape[:2]
        square = square_of(width_px, height_px, side_px=self._asked.side_px, fit=self._asked.fit)
        tensors: dict[str, np.ndarray] = {"images": draw(picture, square)[np.newaxis]}
        if self._asked.sized:
            tensors["sizes"] = np.array([[square.height_px, square.width_px]], dtype=np.int64)
        return SeenPicture(square, dict(self._models.run(self._asked.image, tensors)))

    def masks(
        self, seen: SeenPicture, boxes: Float[np.ndarray, "box 4"]
    ) -> Float32[np.ndarray, "box rows columns"]:
        """Return for each box the logits of its mask, in cells of the square.

        `models.segmentation.pixels` draws them.

        Args:
            seen: Of `see`.
            boxes: Left, top, right, bottom in pixels of the picture, at least one.
        """
        placed = (seen.square.to_square(boxes.astype(np.float64)) * self._asked.side_px).astype(np.float32)
        found = [
            self._models.run(
                self._asked.masks, {"boxes": placed[np.newaxis, start : start + _AT_ONCE], **seen.maps}
            )["masks"][0]
            for start in range(0, len(placed), _AT_ONCE)
        ]
        return np.concatenate(found)
