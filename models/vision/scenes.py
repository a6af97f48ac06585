"""Scenes with known truth: cut-outs laid on a background, so that every box and mask is exact.

Everything is drawn from one seed: the same arguments give the same bytes. Objects never
overlap, so each is seen whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from models.vision.backgrounds import procedural
from models.vision.boxes import Box
from models.vision.masks import bounding_box

LEAST_SIDE_PX = 6
"""Longer side below which no object is drawn: nobody could tell what it was."""
LEAST_AREA_PX = 12
"""An object that covers fewer pixels, such as a thin line drawn small, is left out."""
OPAQUE = 128
_TRIES = 40
_GAP_PX = 2


@dataclass(frozen=True, eq=False)
class CutOut:
    """A picture of one thing with nothing around it.

    Attributes:
        label: What it is.
        rgba: Colours and how opaque each pixel is.
    """

    label: str
    rgba: UInt8[np.ndarray, "h w 4"]

    @classmethod
    def read(cls, label: str, path: Path) -> CutOut:
        """Read one from a trusted file."""
        with Image.open(path) as picture:
            return cls(label, np.asarray(picture.convert("RGBA")))


@dataclass(frozen=True)
class SceneSettings:
    """How a scene is laid out.

    Attributes:
        width_px: Of the image.
        height_px: Of the image.
        least_px: Longer side of the smallest object.
        most_px: Longer side of the largest; sizes between are drawn evenly on a logarithmic scale.
    """

    width_px: int
    height_px: int
    least_px: int = 12
    most_px: int = 24

    def __post_init__(self) -> None:
        """Refuse what could not be drawn or not be recognised. Raises ValueError."""
        if not LEAST_SIDE_PX <= self.least_px <= self.most_px:
            raise ValueError(f"{LEAST_SIDE_PX} <= least_px <= most_px must hold for {self}")
        if self.most_px + 2 * _GAP_PX > min(self.width_px, self.height_px):
            raise ValueError(f"an object of {self.most_px} pixels does not fit into {self}")


@dataclass(frozen=True, eq=False)
class Placed:
    """One object of a scene.

    Attributes:
        label: That of its cut-out.
        box: The smallest around its mask.
        mask: Which pixels of the box show it.
    """

    label: str
    box: Box
    mask: Bool[np.ndarray, "rows columns"]

    def in_image(self, width_px: int, height_px: int) -> Bool[np.ndarray, "h w"]:
        """Return the mask in the size of the image."""
        whole = np.zeros((height_px, width_px), dtype=np.bool_)
        whole[self.box.rows, self.box.columns] = self.mask
        return whole


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and all that was laid into it, in the order of the cut-outs."""

    image: UInt8[np.ndarray, "h w 3"]
    objects: tuple[Placed, ...]


def compose(
    cutouts: Sequence[CutOut],
    settings: SceneSettings,
    *,
    seed: int,
    background: UInt8[np.ndarray, "h w 3"] | None = None,
) -> Scene:
    """Lay each cut-out once, somewhere free, in a size drawn for it.

    A cut-out that finds no free place, is nowhere opaque or would show too few pixels is left out;
    `Scene.objects` says what is there.

    Args:
        cutouts: What to lay.
        settings: Sizes.
        seed: Of places, sizes and a background that is not given.
        background: In the scene's size; None: one that is drawn.

    Raises:
        ValueError: If the background has another size.
    """
    rng = np.random.default_rng(seed)
    if background is None:
        background = procedural(settings.width_px, settings.height_px, rng)
    if background.shape != (settings.height_px, settings.width_px, 3):
        raise ValueError(f"the background is {background.shape}, not in the size of {settings}")
    image = background.copy()
    taken = np.zeros(image.shape[:2], dtype=np.bool_)
    sizes = np.exp(rng.uniform(math.log(settings.least_px), math.log(settings.most_px), len(cutouts)))
    placed: dict[int, Placed] = {}
    for index in np.argsort(-sizes, kind="stable"):  # the largest first, while there is room
        laid = _lay(cutouts[index], round(sizes[index]), image, taken, rng)
        if laid is not None:
            placed[int(index)] = laid
    return Scene(image, tuple(placed[index] for index in sorted(placed)))


def shrunk(rgba: UInt8[np.ndarray, "h w 4"], longer_px: int) -> UInt8[np.ndarray, "rows columns 4"]:
    """Return a cut-out without its empty margin, its longer side so many pixels.

    Raises:
        EmptyMaskError: If nothing of it is opaque.
    """
    box = bounding_box(rgba[:, :, 3] >= OPAQUE)
    picture = Image.fromarray(rgba[box.rows, box.columns])
    ratio = longer_px / max(picture.size)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def _lay(
    cutout: CutOut,
    size_px: int,
    image: UInt8[np.ndarray, "h w 3"],
    taken: Bool[np.ndarray, "h w"],
    rng: np.random.Generator,
) -> Placed | None:
    if not (cutout.rgba[:, :, 3] >= OPAQUE).any():
        return None
    small = shrunk(cutout.rgba, size_px)
    opaque = small[:, :, 3] >= OPAQUE
    if np.count_nonzero(opaque) < LEAST_AREA_PX:
        return None
    height_px, width_px = opaque.shape
    for _ in range(_TRIES):
        left = int(rng.integers(_GAP_PX, image.shape[1] - width_px - _GAP_PX + 1))
        top = int(rng.integers(_GAP_PX, image.shape[0] - height_px - _GAP_PX + 1))
        place = Box(left, top, left + width_px, top + height_px)
        around = Box(left - _GAP_PX, top - _GAP_PX, place.right + _GAP_PX, place.bottom + _GAP_PX)
        if not taken[around.rows, around.columns].any():
            taken[place.rows, place.columns] = True
            _paint(image[place.rows, place.columns], small)
            inner = bounding_box(opaque)
            return Placed(cutout.label, inner.shifted(left, top), opaque[inner.rows, inner.columns])
    return None


def _paint(under: UInt8[np.ndarray, "h w 3"], over: UInt8[np.ndarray, "h w 4"]) -> None:
    share = over[:, :, 3:].astype(np.float32) / 255  # (h, w, 1)
    mixed = share * over[:, :, :3] + (1 - share) * under
    under[:] = np.rint(mixed).astype(np.uint8)
