"""Random views of one picture: what another artist, a screenshot or a printer could make of it.

A view keeps what the name is about. So nothing is mirrored where a direction or writing
matters, and colours that carry the meaning (flags, skin tones) are hardly touched.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter

SIDE_PX: Final = 224
_SQUARE: Final = (SIDE_PX, SIDE_PX)
_GREY: Final = np.array([0.299, 0.587, 0.114])
_RELIEF_PX: Final = 96
_RELIEF_SHARE: Final = 0.5
_WHITE_SHARE: Final = 0.6
_GREY_SHARE: Final = 0.08
_LIT_FROM_ABOVE: Final = 0.8
_FEW_PIXELS_SHARE: Final = 0.5
_BLUR_SHARE: Final = 0.15
_JPEG_SHARE: Final = 0.3


@dataclass(frozen=True)
class Freedom:
    """How far the views of a picture may go.

    Attributes:
        hue: Whether colours may turn into others.
        mirror: Whether left and right may change places.
    """

    hue: bool = True
    mirror: bool = False


def view(
    picture: Image.Image, freedom: Freedom, drawn: np.random.Generator
) -> UInt8[np.ndarray, "224 224 3"]:
    """Return one random view of an RGBA picture on a background of its own."""
    if freedom.mirror and _happens(0.5, drawn):
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    placed = _placed(picture, drawn)
    alpha = placed.getchannel("A")
    coloured = _coloured(placed.convert("RGB"), freedom, drawn)
    if _happens(_RELIEF_SHARE, drawn):
        coloured = _in_relief(coloured, alpha, drawn)
    ground = _background(drawn)
    ground.paste(coloured, (0, 0), alpha)
    return np.asarray(_worn(ground, drawn))


def trimmed(picture: Image.Image) -> Image.Image:
    """Return an RGBA picture without its transparent margin; an empty one as it is."""
    box = picture.getchannel("A").getbbox()
    return picture.crop(box) if box else picture


def _happens(share: float, drawn: np.random.Generator) -> bool:
    return bool(drawn.random() < share)


def _placed(picture: Image.Image, drawn: np.random.Generator) -> Image.Image:
    """Turn, stretch, shear, tilt and move the picture within the square."""
    size = max(picture.size) * drawn.uniform(0.9, 1.35)
    angle = math.radians(drawn.normal(0, 7))
    stretch = math.exp(drawn.normal(0, 0.08))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.array([[stretch, drawn.normal(0, 0.06)], [0, 1 / stretch]]) * (size / SIDE_PX)
    middle = np.array(picture.size) / 2 + drawn.normal(0, 0.03, 2) * size
    tilt = drawn.normal(0, 0.08, 2) / SIDE_PX
    # Homogeneous coordinates about the middle of the square, which the tilt leaves in its place.
    to_middle = np.array([[1, 0, -SIDE_PX / 2], [0, 1, -SIDE_PX / 2], [0, 0, 1]])
    bend = np.array([[1, 0, 0], [0, 1, 0], [*tilt, 1]])
    from_middle = np.array([[*linear[0], middle[0]], [*linear[1], middle[1]], [0, 0, 1]])
    # x' = middle + linear x / (1 + tilt x): the last row divides all, so the shift is bent as well.
    whole = from_middle @ bend @ to_middle
    numbers = tuple((whole / whole[2, 2]).flatten()[:8])
    return picture.transform(_SQUARE, Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BICUBIC)


def _coloured(image: Image.Image, freedom: Freedom, drawn: np.random.Generator) -> Image.Image:
    """Change hue, saturation, contrast and brightness by one colour matrix."""
    if freedom.hue and _happens(_GREY_SHARE, drawn):
        return image.convert("L").convert("RGB")
    spread, turn = (1.0, 14.0) if freedom.hue else (0.35, 2.0)
    saturation = math.exp(drawn.normal(0, 0.3 * spread))
    contrast = math.exp(drawn.normal(0, 0.2 * spread))
    light = 128 * (1 - contrast) + drawn.normal(0, 18 * spread)
    colour = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), _GREY)
    matrix = contrast * colour @ _hue(math.radians(drawn.normal(0, turn)))
    return image.convert("RGB", tuple(np.hstack([matrix, np.full((3, 1), light)]).flatten()))


def _hue(angle: float) -> Float[np.ndarray, "3 3"]:
    """Return the rotation of RGB about its grey axis (Rodrigues)."""
    axis = 1 / math.sqrt(3)
    cross = axis * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)


def _in_relief(image: Image.Image, alpha: Image.Image, drawn: np.random.Generator) -> Image.Image:
    """Light the flat drawing from one side, as if its shapes were modelled."""
    size = (_RELIEF_PX, _RELIEF_PX)
    blur = ImageFilter.GaussianBlur(drawn.uniform(1, 6))
    shape = np.asarray(alpha.resize(size).filter(blur), dtype=np.float32) / 255
    tones = np.asarray(image.convert("L").resize(size).filter(blur), dtype=np.float32) / 255
    height = drawn.uniform(0.5, 1.5) * shape + drawn.uniform(-0.5, 1.0) * tones * shape
    down, right = np.gradient(height)
    side = drawn.uniform(0, math.pi)
    angle = -side if _happens(_LIT_FROM_ABOVE, drawn) else side
    slope = math.cos(angle) * right + math.sin(angle) * down
    rows, columns = np.mgrid[-0.5 : 0.5 : _RELIEF_PX * 1j, -0.5 : 0.5 : _RELIEF_PX * 1j]
    wash = -drawn.uniform(0, 70) * (math.cos(angle) * columns + math.sin(angle) * rows)
    light = -slope / (np.abs(slope).max() + 1e-6) * drawn.uniform(20, 90) + wash
    shade = Image.fromarray(light.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR)
    lit = np.asarray(image, dtype=np.float32) + np.asarray(shade)[:, :, None]
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


def _background(drawn: np.random.Generator) -> Image.Image:
    if _happens(_WHITE_SHARE, drawn):
        return Image.new("RGB", _SQUARE, (255, 255, 255))
    least = 0 if _happens(0.5, drawn) else 150
    corners = drawn.integers(least, 256, (2, 2, 3), dtype=np.uint8)
    return Image.fromarray(corners).resize(_SQUARE, Image.Resampling.BILINEAR)


def _worn(image: Image.Image, drawn: np.random.Generator) -> Image.Image:
    """Lose detail: by few pixels, by blur, by JPEG."""
    if _happens(_FEW_PIXELS_SHARE, drawn):
        few = int(drawn.integers(28, 112))
        image = image.resize((few, few), Image.Resampling.BOX).resize(_SQUARE, Image.Resampling.BICUBIC)
    elif _happens(2 * _BLUR_SHARE, drawn):
        image = image.filter(ImageFilter.GaussianBlur(drawn.uniform(0.5, 2)))
    if _happens(_JPEG_SHARE, drawn):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(drawn.integers(15, 80)))
        image = Image.open(buffer).convert("RGB")
    return image
