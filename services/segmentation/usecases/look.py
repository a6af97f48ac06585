"""Passes over an image: one for all that depends on nothing that is asked, one for each group that does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from models.segmentation.prepared import Square, draw, views
from models.vision.tiles import Grid
from services.kernel.pictures import decoded
from services.kernel.sharing import Once, TimeLimit, Turns
from services.kernel.vocabulary import ImageReference
from services.segmentation.domain.finding import Tiling
from services.segmentation.domain.seen import Seen, SeenKey, joined
from services.segmentation.ports import Detector, ImageSource

MOST_SQUARES: Final = 4
"""Squares of one forward pass."""


@dataclass(frozen=True)
class Pace:
    """How fast calls may go: when to give up, who works at a time, and what is not seen twice."""

    limit: TimeLimit
    turns: Turns
    once: Once[SeenKey, Seen]


class Look:
    """Has images seen by a detector.

    Args:
        images: Where they are.
        detector: Sees them.
        tiling: When they are cut into tiles.
        pace: How fast.
    """

    def __init__(self, images: ImageSource, detector: Detector, tiling: Tiling, pace: Pace) -> None:
        self._images = images
        self._detector = detector
        self._tiling = tiling
        self._pace = pace

    def __call__(self, image: ImageReference, *, tiles: bool | None) -> Picture:
        """Return the image as it will be looked at; nothing is read yet."""
        grid = self._tiling.grid(image, tiles=tiles, side_px=self._detector.side_px())
        return Picture(self._images, self._detector, self._pace, image, grid)


@dataclass(frozen=True)
class Picture:
    """One image of one request, read and drawn once if at all."""

    images: ImageSource
    detector: Detector
    pace: Pace
    image: ImageReference
    grid: Grid

    @cached_property
    def views(self) -> tuple[Square, ...]:
        """The whole image, and its tiles."""
        return views(self.image.width_px, self.image.height_px, self.grid, side_px=self.detector.side_px())

    def seen(self) -> Seen:
        """Return what is in the image, whatever is asked: seen once, however many callers want to know.

        Raises:
            InvalidInput: The bytes are no picture, or one of another size than is said.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: The image or a model is not to be had.
        """
        size_px = (self.image.width_px, self.image.height_px)
        key = SeenKey(self.image.digest, size_px, self.grid, self.detector.models()[0])
        (found,) = self.pace.once([key], lambda _: [self._passed(None)])
        return found

    def seen_with(self, sentences: Float32[np.ndarray, "m dim"]) -> Seen:
        """Return what is in the image when it is read together with sentences. Raises as `seen`."""
        return self._passed(sentences)

    @cached_property
    def _data(self) -> bytes:
        return self.images.read(self.image)

    def pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """Return the image; it is not kept, for it may be large. Raises as `seen`."""
        return decoded(self._data, self.image)

    @cached_property
    def _squares(self) -> UInt8[np.ndarray, "n side side 3"]:
        pixels = self.pixels()
        return np.stack([draw(pixels, view) for view in self.views])

    def _passed(self, sentences: Float32[np.ndarray, "m dim"] | None) -> Seen:
        _ = self._data  # before the turn: whoever waits for a store keeps nobody from working
        parts: list[Seen] = []
        with self.pace.turns.turn():
            for start in range(0, len(self._squares), MOST_SQUARES):
                self.pace.limit.check()
                parts.append(self.detector.look(self._squares[start : start + MOST_SQUARES], sentences))
        return joined(parts)
