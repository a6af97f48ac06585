"""A cut-out as it will lie in a scene: its size, turned, mirrored, in a light of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from models.segmentation.scenes.pools import Drawing
from models.vision.masks import bounding_box
from models.vision.scenes import OPAQUE, shrunk

_MILD_DEGREES: Final = 15.0
_STRONG_DEGREES: Final = 60.0
_UPRIGHT_DEGREES: Final = 6.0
_TURNED: Final = 0.5
_STRONGLY_TURNED: Final = 0.1
_GAIN: Final = 0.15


@dataclass(frozen=True)
class Pose:
    """How a drawing is laid.

    Attributes:
        longer_px: Longer side before it is turned.
        degrees: Turned to the left.
        mirrored: Left and right swapped.
        gain: Its light; 1 leaves it as it is.
    """

    longer_px: int
    degrees: float = 0.0
    mirrored: bool = False
    gain: float = 1.0


def pose(drawing: Drawing, longer_px: int, rng: np.random.Generator, *, mirrors: bool = True) -> Pose:
    """Return a pose that leaves the drawing what it is: turned mildly mostly, mirrored where it may be.

    Args:
        drawing: What is laid.
        longer_px: Longer side.
        rng: Of what is drawn by chance; asked equally often for every drawing.
        mirrors: Whether it may be mirrored at all.
    """
    turned, strongly, share, mirrored, light = rng.random(5)
    degrees = _STRONG_DEGREES if strongly < _STRONGLY_TURNED else _MILD_DEGREES
    if not drawing.turns:
        degrees = _UPRIGHT_DEGREES
    return Pose(
        longer_px,
        degrees * (2 * share - 1) if turned < _TURNED else 0.0,
        mirrored=bool(mirrors and drawing.mirrors and mirrored < 0.5),  # noqa: PLR2004  (as often as not)
        gain=1 + _GAIN * (2 * light - 1),
    )


def posed(rgba: UInt8[np.ndarray, "_ _ 4"], how: Pose) -> UInt8[np.ndarray, "h w 4"]:
    """Return a cut-out in a pose, without margin.

    Raises:
        EmptyMaskError: If nothing of it is opaque.
    """
    picture = Image.fromarray(shrunk(rgba, how.longer_px))
    if how.mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if how.degrees:
        picture = picture.rotate(how.degrees, Image.Resampling.BILINEAR, expand=True)
    lit = [min(255, round(how.gain * value)) for value in range(256)]
    pixels = np.asarray(picture.point([*lit * 3, *range(256)]))
    box = bounding_box(pixels[:, :, 3] >= OPAQUE)
    return pixels[box.rows, box.columns]
