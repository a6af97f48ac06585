"""Where things lie in a scene, and what is seen of each when later ones cover earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Int16, UInt8
from PIL import Image, ImageFilter

from models.vision import masks
from models.vision.boxes import Box
from models.vision.scenes import OPAQUE

LEAST_AREA_PX: Final = 48
"""A thing of which fewer pixels are seen is not laid."""
_TRIES: Final = 12
_NOBODY: Final = -1


@dataclass(frozen=True)
class Placing:
    """How freely things are laid.

    Attributes:
        visible: Least share of each thing that stays to be seen.
        outside: Largest share of a thing's width or height that may be outside the picture.
        shadows: Share of things that throw a soft shadow.
    """

    visible: float = 0.3
    outside: float = 0.25
    shadows: float = 0.3


class Canvas:
    """A picture that things are laid on, one after the other."""

    def __init__(self, background: UInt8[np.ndarray, "h w 3"], placing: Placing) -> None:
        """Begin with a picture that nothing lies on."""
        self.image = background.copy()
        self._placing = placing
        self._owner: Int16[np.ndarray, "h w"] = np.full(background.shape[:2], _NOBODY, dtype=np.int16)
        self._area: list[int] = []  # of each thing's pixels, covered and outside ones, too
        self._seen: list[int] = []

    def lay(self, thing: UInt8[np.ndarray, "rows columns 4"], rng: np.random.Generator) -> bool:
        """Lay a thing where it leaves enough of all others to be seen; False if there is no such place."""
        opaque = thing[:, :, 3] >= OPAQUE
        area = masks.area(opaque)
        shadow = rng.random() < self._placing.shadows
        for _ in range(_TRIES):
            place = self._place(opaque.shape, rng)
            inside = place.within(self._owner.shape[1], self._owner.shape[0])
            part = inside.shifted(-place.left, -place.top)
            here = opaque[part.rows, part.columns]
            if self._fits(inside, here, area):
                if shadow:
                    self._darken(place, opaque)
                _paint(self.image[inside.rows, inside.columns], thing[part.rows, part.columns])
                self._own(inside, here, area)
                return True
        return False

    def masks(self) -> list[tuple[Box, Bool[np.ndarray, "_ _"]]]:
        """Return box and mask of what is seen of each thing, in the order they were laid."""
        return [_seen(self._owner == number) for number in range(len(self._area))]

    def free(self) -> Bool[np.ndarray, "h w"]:
        """Return the pixels that show no thing."""
        return np.asarray(self._owner == _NOBODY)

    def _place(self, shape: tuple[int, ...], rng: np.random.Generator) -> Box:
        sides = []
        for side_px, whole_px in zip(shape, self._owner.shape, strict=True):
            out_px = int(self._placing.outside * rng.random() * side_px)
            last_px = max(-out_px, whole_px - side_px + out_px)
            sides.append(int(rng.integers(-out_px, last_px + 1)))
        top, left = sides
        return Box(left, top, left + shape[1], top + shape[0])

    def _fits(self, inside: Box, here: Bool[np.ndarray, "_ _"], area: int) -> bool:
        seen = masks.area(here)
        if seen < max(LEAST_AREA_PX, self._placing.visible * area):
            return False
        covered = self._covered(inside, here)
        return all(
            left - lost >= max(LEAST_AREA_PX, self._placing.visible * whole) or not lost
            for left, lost, whole in zip(self._seen, covered, self._area, strict=True)
        )

    def _covered(self, inside: Box, here: Bool[np.ndarray, "_ _"]) -> Sequence[int]:
        owners = self._owner[inside.rows, inside.columns][here]
        counts: Sequence[int] = np.bincount(owners + 1, minlength=len(self._area) + 1)[1:].tolist()
        return counts

    def _own(self, inside: Box, here: Bool[np.ndarray, "_ _"], area: int) -> None:
        for number, lost in enumerate(self._covered(inside, here)):
            self._seen[number] -= lost
        self._owner[inside.rows, inside.columns][here] = len(self._area)
        self._area.append(area)
        self._seen.append(masks.area(here))

    def _darken(self, place: Box, opaque: Bool[np.ndarray, "_ _"]) -> None:
        """Throw a soft shadow to the lower right."""
        soft_px = max(2, round(0.06 * max(opaque.shape)))
        margin = np.pad(opaque, 2 * soft_px)
        blurred = Image.fromarray(margin).convert("L").filter(ImageFilter.BoxBlur(soft_px))
        around = Box(
            place.left - soft_px, place.top - soft_px, place.right + 3 * soft_px, place.bottom + 3 * soft_px
        )
        try:
            inside = around.within(self._owner.shape[1], self._owner.shape[0])
        except ValueError:  # nothing of the shadow is in the picture
            return
        part = inside.shifted(-around.left, -around.top)
        dark = np.asarray(blurred)[part.rows, part.columns].astype(np.uint32)
        under = self.image[inside.rows, inside.columns]
        under[:] = under * (512 - dark[:, :, None]) >> 9  # half as light at most


def _seen(mask: Bool[np.ndarray, "h w"]) -> tuple[Box, Bool[np.ndarray, "_ _"]]:
    box = masks.bounding_box(mask)
    return box, mask[box.rows, box.columns].copy()


def _paint(under: UInt8[np.ndarray, "h w 3"], over: UInt8[np.ndarray, "h w 4"]) -> None:
    share = over[:, :, 3:].astype(np.float32) / 255  # (h, w, 1)
    under[:] = np.rint(share * over[:, :, :3] + (1 - share) * under).astype(np.uint8)
