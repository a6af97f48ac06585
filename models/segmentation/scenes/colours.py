"""The colour that a cut-out has, where one can be told, and copies of it in another colour."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from models.vision.scenes import OPAQUE

HUES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "red": (346, 372),
        "orange": (19, 35),
        "yellow": (43, 64),
        "green": (85, 160),
        "blue": (198, 242),
        "purple": (262, 292),
        "pink": (310, 336),
    }
)
"""Degrees from and to; what lies between two of them has no clear name."""
COLOURS: Final = (*HUES, "brown", "black", "white", "grey")
"""All names of colours."""
_CLEAR: Final = 0.6
"""Share of a thing's pixels that must have its colour."""
_LOOKED_AT_PX: Final = 32
_UNCLEAR: Final = 0
_DEGREES: Final = 360 / 256


def colour_of(rgba: UInt8[np.ndarray, "_ _ 4"]) -> str | None:
    """Return the colour of most of a cut-out; None if no colour is clear."""
    picture = Image.fromarray(rgba)
    picture.thumbnail((_LOOKED_AT_PX, _LOOKED_AT_PX))
    pixels = np.asarray(picture)
    opaque = pixels[pixels[:, :, 3] >= OPAQUE][:, :3]  # (n, 3)
    if not opaque.size:
        return None
    counts = np.bincount(_colours(opaque), minlength=len(COLOURS) + 1)
    most = int(counts[1:].argmax()) + 1
    return COLOURS[most - 1] if counts[most] >= _CLEAR * len(opaque) else None


def recoloured(rgba: UInt8[np.ndarray, "h w 4"], colour: str, target: str) -> UInt8[np.ndarray, "h w 4"]:
    """Return a cut-out with all hues turned, so that one colour becomes another.

    Args:
        rgba: The cut-out.
        colour: A hue that it has.
        target: The hue that this becomes.

    Raises:
        KeyError: If either is a colour without a hue, such as white.
    """
    turn = round((_middle(target) - _middle(colour)) / _DEGREES)
    picture = Image.fromarray(rgba)
    hue, saturation, value = picture.convert("RGB").convert("HSV").split()
    turned = np.asarray(hue) + np.uint8(turn % 256)
    mixed = Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")
    mixed.putalpha(picture.getchannel("A"))
    return np.asarray(mixed)


def _middle(colour: str) -> float:
    low, high = HUES[colour]
    return (low + high) / 2


def _colours(rgb: UInt8[np.ndarray, "n 3"]) -> np.ndarray:
    """Return 1 + the place in `COLOURS` of each pixel's colour, 0 where it has no clear one."""
    hsv = np.asarray(Image.fromarray(rgb[None]).convert("HSV"))[0].astype(np.float32)  # (n, 3)
    hue, saturation, value = hsv[:, 0] * _DEGREES, hsv[:, 1] / 255, hsv[:, 2] / 255
    found = np.full(len(rgb), _UNCLEAR)
    bright = (saturation > 0.35) & (value > 0.45)  # noqa: PLR2004  (or else it is beige, rose, navy, ...)
    for place, (low, high) in enumerate(HUES.values()):
        found[bright & ((hue - low) % 360 <= high - low)] = place + 1
    found[(found == 1 + COLOURS.index("orange")) & (saturation < 0.6)] = _UNCLEAR  # noqa: PLR2004
    dark = (saturation > 0.35) & (value > 0.2) & (value <= 0.6)  # noqa: PLR2004
    found[dark & (hue >= 8) & (hue <= 40)] = 1 + COLOURS.index("brown")  # noqa: PLR2004
    found[value <= 0.2] = 1 + COLOURS.index("black")  # noqa: PLR2004
    pale = saturation < 0.1  # noqa: PLR2004
    found[pale & (value > 0.9)] = 1 + COLOURS.index("white")  # noqa: PLR2004
    found[pale & (value > 0.3) & (value < 0.75)] = 1 + COLOURS.index("grey")  # noqa: PLR2004
    return found
