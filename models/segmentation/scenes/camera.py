"""What a camera does to a scene: light, blur, noise and JPEG. No pixel moves, so the truth stays exact."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Int8, UInt8
from PIL import Image, ImageFilter

_NOISE_SEED: Final = 0
_NOISE_VALUES: Final = 1 << 21
_NOISE_BITS: Final = 5
_QUALITY: Final = (30, 96)


@dataclass(frozen=True)
class Camera:
    """How much of it there is at most; each scene draws its own.

    Attributes:
        light: Brightness and contrast, as a share.
        cast: Of each colour, as a share.
        blurred: Share of scenes that are out of focus.
        noisy: Share with noise.
        packed: Share that were JPEG files.
    """

    light: float = 0.2
    cast: float = 0.08
    blurred: float = 0.25
    noisy: float = 0.35
    packed: float = 0.5


def photographed(
    scene: UInt8[np.ndarray, "h w 3"], camera: Camera, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the scene as a camera gives it."""
    picture = Image.fromarray(scene).point(_curves(camera, rng))
    if rng.random() < camera.blurred:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.4)))
    if rng.random() < camera.noisy:
        picture = Image.fromarray(_noisy(np.asarray(picture), rng))
    if rng.random() < camera.packed:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(*_QUALITY)))
        picture = Image.open(file)
    return np.asarray(picture)


def _curves(camera: Camera, rng: np.random.Generator) -> list[int]:
    """Return, for each colour, what its 256 values become: gamma, contrast, brightness and cast in one."""
    gamma = np.exp(rng.uniform(-camera.light, camera.light))
    contrast = 1 + rng.uniform(-camera.light, camera.light)
    brightness = rng.uniform(-camera.light, camera.light) / 2
    casts = 1 + rng.uniform(-camera.cast, camera.cast, 3)
    values = (np.linspace(0, 1, 256) ** gamma - 0.5) * contrast + 0.5 + brightness  # (256,)
    curves: list[int] = (
        np.clip(np.rint(255 * np.outer(casts, values)), 0, 255).astype(np.int64).ravel().tolist()
    )
    return curves


def _noisy(picture: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    strength = int(rng.integers(1, 13))  # standard deviation
    noise = _noise()
    start = int(rng.integers(len(noise)))
    places = slice(start, start + picture.size)
    grains = noise[places] if places.stop <= len(noise) else np.resize(np.roll(noise, -start), picture.size)
    grains = (grains.astype(np.int16) * strength) >> _NOISE_BITS
    noisy: np.ndarray = np.clip(picture + grains.reshape(picture.shape), 0, 255).astype(np.uint8)
    return noisy


@cache
def _noise() -> Int8[np.ndarray, "n"]:
    """Return normal noise, drawn once: drawing it anew takes longer than all the rest of a scene."""
    drawn = np.random.default_rng(_NOISE_SEED).standard_normal(_NOISE_VALUES, dtype=np.float32)
    return np.clip(2**_NOISE_BITS * drawn, -127, 127).astype(np.int8)
