"""What stands behind the things of a scene: a photograph of scenery, a drawn background, or one colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from models.vision.backgrounds import procedural

_SCENERY: Final = 0.7
_PLAIN: Final = 0.08
_LEAST_PART: Final = 0.5
_WHITE: Final = 0.5


def backdrop(
    width_px: int,
    height_px: int,
    photographs: Sequence[UInt8[np.ndarray, "_ _ 4"]],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a background; without photographs it is drawn or of one colour."""
    kind = rng.random()
    if kind < _PLAIN:
        colour = np.full(3, 255) if rng.random() < _WHITE else rng.integers(0, 256, 3)
        return np.full((height_px, width_px, 3), colour, dtype=np.uint8)
    if kind < _PLAIN + _SCENERY and photographs:
        return part_of(photographs[int(rng.integers(len(photographs)))], width_px, height_px, rng)
    return procedural(width_px, height_px, rng)


def part_of(
    photograph: UInt8[np.ndarray, "_ _ 4"], width_px: int, height_px: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a part of a photograph in this size, at times mirrored."""
    high_px, wide_px = photograph.shape[:2]
    largest = min(wide_px / width_px, high_px / height_px)
    ratio = largest * rng.uniform(_LEAST_PART, 1)
    part_px = (max(1, int(height_px * ratio)), max(1, int(width_px * ratio)))
    top = int(rng.integers(high_px - part_px[0] + 1))
    left = int(rng.integers(wide_px - part_px[1] + 1))
    part = photograph[top : top + part_px[0], left : left + part_px[1], :3]
    if rng.random() < 0.5:  # noqa: PLR2004  (as often as not)
        part = part[:, ::-1]
    scaled = Image.fromarray(np.ascontiguousarray(part)).resize(
        (width_px, height_px), Image.Resampling.BILINEAR
    )
    return np.asarray(scaled)
