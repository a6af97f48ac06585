"""Drawings made up: plain shapes of one colour each, so that a scene's pixels tell what they show."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from models.segmentation.scenes.pools import Drawing, Pool, pool

COLOURS = {
    "star": (220, 30, 30),
    "moon": (30, 90, 220),
    "kite": (30, 200, 60),
    "drum": (240, 215, 40),
    "bell": (150, 60, 210),
    "sock": (240, 60, 170),
    "lamp": (235, 120, 20),
    "boot": (110, 60, 25),
    "cup": (250, 250, 250),
    "hat": (120, 120, 120),
}
"""By name; no two are near each other, and all are far from black."""
MORE_NAMES = tuple(
    f"{first} {second}"
    for first in ("tin", "old", "wet", "odd")
    for second in ("fork", "door", "fern", "gate")
)


def shape(colour: tuple[int, int, int], side_px: int = 64, margin_px: int = 6) -> UInt8[np.ndarray, "h w 4"]:
    """Return a square with a corner missing, which no mirror or turn leaves as it is."""
    rgba = np.zeros((side_px, side_px, 4), dtype=np.uint8)
    inner = slice(margin_px, side_px - margin_px)
    rgba[inner, inner] = (*colour, 255)
    rgba[: side_px // 2, side_px // 2 :, 3] = 0
    return rgba


def drawing(name: str, colour: tuple[int, int, int] = (200, 200, 200), artist: str = "me") -> Drawing:
    """Return a drawing; its label is its name in capitals."""
    return Drawing(f"{artist}/{name}", name.upper(), name, f"{name} as others say", shape(colour))


def shapes() -> Pool:
    """Return a pool of ten shapes, each of its own colour, and sixteen more names."""
    known = [drawing(name, colour) for name, colour in COLOURS.items()]
    return pool([*known, *(drawing(name) for name in MORE_NAMES)])
