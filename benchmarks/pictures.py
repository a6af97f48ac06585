"""Pictures to measure with: made from a seed, each of them different, with structure and noise."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from itertools import count

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def photograph(number: int, *, side_px: int = 800, quality: int = 90) -> bytes:
    """Return a JPEG like a photograph's: soft shapes, edges, and noise that keeps it large.

    At 800 pixels and quality 90 it has about 200 KB, at 256 and 85 about 17 KB. Each number moves the same
    scene to another place, so no two pictures are the same and all are as hard to decode.
    """
    scene = np.roll(_scene(side_px), (37 * number % side_px, number // side_px), axis=(0, 1))
    packed = io.BytesIO()
    Image.fromarray(scene).save(packed, "JPEG", quality=quality)
    return packed.getvalue()


def new_pictures(size: int, *, side_px: int = 800, quality: int = 90) -> Callable[[], list[bytes]]:
    """Return what makes a batch of pictures that were never there before, each time it is called."""
    numbers = count()

    def batch() -> list[bytes]:
        return [photograph(next(numbers), side_px=side_px, quality=quality) for _ in range(size)]

    return batch


@lru_cache(maxsize=4)
def _scene(side_px: int) -> UInt8[np.ndarray, "side side 3"]:
    """Return waves with a disc on them, and noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:side_px, 0:side_px].astype(np.float32) / side_px
    waves = np.stack([128 + 50 * np.sin(20 * x * (1 + c) + 9 * y) for c in range(3)], axis=-1)
    waves[(x - 0.4) ** 2 + (y - 0.6) ** 2 < 0.05] = (210, 60, 40)  # noqa: PLR2004  (a red disc)
    noise = random.normal(0, 9, size=waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)
