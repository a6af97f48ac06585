"""Backgrounds for scenes: drawn by rule, or a picture made to fit."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

_COARSEST = 2
_FINEST = 24
_STRIPES = (3.0, 60.0)
_GRAIN = 12.0


def procedural(width_px: int, height_px: int, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Return a gradient with clouds, stripes and grain on it, each of a random strength, often none."""
    picture = _clouds(width_px, height_px, (_COARSEST, _COARSEST), rng)
    contrast = rng.uniform(0.2, 1)
    picture = 255 * (contrast * picture + (1 - contrast) * rng.random(3, dtype=np.float32))
    if rng.random() < 0.7:  # noqa: PLR2004  (of all backgrounds)
        cells = rng.integers(_COARSEST, _FINEST, 2)
        clouds = _clouds(width_px, height_px, (int(cells[0]), int(cells[1])), rng) - 0.5
        picture = picture + rng.uniform(20, 160) * clouds
    if rng.random() < 0.4:  # noqa: PLR2004
        stripes = _stripes(width_px, height_px, rng)
        picture = picture + rng.uniform(-60, 60, 3).astype(np.float32) * stripes[:, :, None]
    if rng.random() < 0.5:  # noqa: PLR2004
        grain = rng.standard_normal((height_px, width_px, 1), dtype=np.float32)
        picture = picture + rng.uniform(1, _GRAIN) * grain
    drawn: np.ndarray = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return drawn


def cover(
    picture: UInt8[np.ndarray, "h w 3"], width_px: int, height_px: int
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Return the middle of a picture, enlarged or shrunk until it just fills this size."""
    ratio = max(width_px / picture.shape[1], height_px / picture.shape[0])
    wide_px = min(width_px / ratio, picture.shape[1])  # rounding may pass the edge, which Pillow refuses
    high_px = min(height_px / ratio, picture.shape[0])
    left, top = (picture.shape[1] - wide_px) / 2, (picture.shape[0] - high_px) / 2
    part = (left, top, left + wide_px, top + high_px)
    fitted = Image.fromarray(picture).resize((width_px, height_px), Image.Resampling.BICUBIC, box=part)
    return np.asarray(fitted)


def _clouds(
    width_px: int, height_px: int, cells: tuple[int, int], rng: np.random.Generator
) -> Float32[np.ndarray, "h w 3"]:
    """Return colours in [0, 1] that change smoothly between a few random ones."""
    few = rng.integers(0, 256, (cells[1], cells[0], 3), dtype=np.uint8)
    smooth = Image.fromarray(few).resize((width_px, height_px), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32) / 255


def _stripes(width_px: int, height_px: int, rng: np.random.Generator) -> Float32[np.ndarray, "h w"]:
    period_px = np.exp(rng.uniform(*np.log(_STRIPES)))
    angle = rng.uniform(0, np.pi)
    across = np.cos(angle) * np.arange(width_px)[None, :] + np.sin(angle) * np.arange(height_px)[:, None]
    wave = np.sin(2 * np.pi * across / period_px).astype(np.float32)
    return np.asarray(np.sign(wave)) if rng.random() < 0.5 else wave  # noqa: PLR2004  (hard or soft edges)
