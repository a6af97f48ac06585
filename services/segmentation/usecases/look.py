"""Passes over an image: one for all that depends on nothing that is asked, one for each group that does."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from models.segmentation.prepared import Square, draw, views
from models.vision.tiles import Grid
from services.kernel.errors import Unavailable
from services.kernel.pictures import decoded
from services.kernel.sharing import Lazy, Once, TimeLimit, Turns
from services.kernel.vocabulary import ImageReference
from services.segmentation.domain.finding import Tiling
from services.segmentation.domain.seen import Seen, SeenKey, joined
from services.segmentation.ports import Detector, ImageSource
from services.segmentation.usecases.second import SecondLooks

MOST_SQUARES: Final = 4
"""Squares of one forward pass."""


@dataclass(frozen=True)
class Pace:
    """How fast calls may go: when to give up, who works at a time, and what is not seen twice."""

    limit: TimeLimit
    turns: Turns
    once: Once[SeenKey, Seen]


class Second(enum.Enum):
    """What became of the second look."""

    NONE = "none"
    """None is taken: for phrases, or because the service takes none."""
    TAKEN = "taken"
    LEFT_OUT = "left out"
    """There was no time for it, or nobody to look."""


class _LeftOutError(Exception):
    """There was no second look: what was seen at the first is not to be kept as if there had been."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen


class Look:
    """Has images seen by a detector.

    Args:
        images: Where they are.
        detector: Sees them.
        tiling: When they are cut into tiles.
        pace: How fast.
        second: Looks at crops as well; None: nobody does.
    """

    def __init__(
        self,
        images: ImageSource,
        detector: Detector,
        tiling: Tiling,
        pace: Pace,
        second: SecondLooks | None = None,
    ) -> None:
        self.second = second
        self._images = images
        self._detector = detector
        self._tiling = tiling
        self._pace = pace

    def __call__(self, image: ImageReference, *, tiles: bool | None) -> Picture:
        """Return the image as it will be looked at; nothing is read yet."""
        grid = self._tiling.grid(image, tiles=tiles, side_px=self._detector.side_px())
        return Picture(self._images, self._detector, self._pace, image, grid, self.second)


@dataclass(frozen=True)
class Picture:
    """One image of one request, read and drawn once if at all."""

    images: ImageSource
    detector: Detector
    pace: Pace
    image: ImageReference
    grid: Grid
    second: SecondLooks | None = None

    @Lazy
    def views(self) -> tuple[Square, ...]:
        """The whole image, and its tiles."""
        return views(self.image.width_px, self.image.height_px, self.grid, side_px=self.detector.side_px())

    def seen(self) -> tuple[Seen, Second]:
        """Return what is in the image, whatever is asked: seen once, however many callers want to know.

        What could not be looked at twice is returned as it was seen at first, and not kept.

        Raises:
            InvalidInput: The bytes are no picture, or one of another size than is said.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: The image or a model is not to be had.
        """
        size_px = (self.image.width_px, self.image.height_px)
        models, second = self.detector.models()[:1], self.second
        if second is None:
            key = SeenKey(self.image.digest, size_px, self.grid, models)
            (found,) = self.pace.once([key], lambda _: [self._passed(None)])
            return found, Second.NONE
        try:
            key = SeenKey(self.image.digest, size_px, self.grid, models + second.models())
        except Unavailable:
            return self._passed(None), Second.LEFT_OUT
        try:
            (found,) = self.pace.once([key], lambda _: [self._looked_twice(second)])
        except _LeftOutError as left_out:
            return left_out.seen, Second.LEFT_OUT
        return found, Second.TAKEN

    def seen_with(self, sentences: Float32[np.ndarray, "m dim"]) -> Seen:
        """Return what is in the image when it is read together with sentences. Raises as `seen`."""
        return self._passed(sentences)

    @Lazy
    def _data(self) -> bytes:
        return self.images.read(self.image)

    def pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """Return the image; it is not kept, for it may be large. Raises as `seen`."""
        return decoded(self._data, self.image)

    @Lazy
    def _squares(self) -> UInt8[np.ndarray, "n side side 3"]:
        pixels = self.pixels()
        return np.stack([draw(pixels, view) for view in self.views])

    def _looked_twice(self, second: SecondLooks) -> Seen:
        """Return what was seen at both looks.

        Raises:
            _LeftOutError: Nobody is there to look again, or less time is left than the first look took.
            As `seen`.
        """
        before = self.pace.limit.remaining_s()
        seen = self._passed(None)
        after = self.pace.limit.remaining_s()
        if before is not None and after is not None and after < before - after:
            raise _LeftOutError(seen)
        try:
            with self.pace.turns.turn():
                return second(seen, self.views, self.pixels)
        except Unavailable as error:
            raise _LeftOutError(seen) from error

    def _passed(self, sentences: Float32[np.ndarray, "m dim"] | None) -> Seen:
        _ = self._data  # before the turn: whoever waits for a store keeps nobody from working
        parts: list[Seen] = []
        with self.pace.turns.turn():
            for start in range(0, len(self._squares), MOST_SQUARES):
                self.pace.limit.check()
                parts.append(self.detector.look(self._squares[start : start + MOST_SQUARES], sentences))
        return joined(parts)
