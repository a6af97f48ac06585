"""Pictures to measure with: made from a seed, each of them different, with structure and noise."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_EXAMPLES = Path(__file__).parents[1] / "examples" / "emoji"


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


def new_scenes(size: int, *, side_px: int) -> Callable[[], list[bytes]]:
    """Return what makes a batch of such pictures with six things on each, so that there is much to find."""
    numbers = count()

    def batch() -> list[bytes]:
        return [_with_things(next(numbers), side_px=side_px) for _ in range(size)]

    return batch


def _with_things(number: int, *, side_px: int) -> bytes:
    scene = Image.open(io.BytesIO(photograph(number, side_px=side_px))).convert("RGB")
    drawings = sorted((_EXAMPLES / "noto").glob("*.png"))
    for place in range(6):
        with Image.open(drawings[(6 * number + place) % len(drawings)]) as opened:
            drawing = opened.convert("RGBA").resize((side_px // 5,) * 2)
        scene.paste(drawing, (place % 3 * side_px // 3, place // 3 * side_px // 2), drawing)
    packed = io.BytesIO()
    scene.save(packed, "JPEG", quality=90)
    return packed.getvalue()


@lru_cache(maxsize=4)
def _scene(side_px: int) -> UInt8[np.ndarray, "side side 3"]:
    """Return waves with a disc on them, and noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:side_px, 0:side_px].astype(np.float32) / side_px
    waves = np.stack([128 + 50 * np.sin(20 * x * (1 + c) + 9 * y) for c in range(3)], axis=-1)
    waves[(x - 0.4) ** 2 + (y - 0.6) ** 2 < 0.05] = (210, 60, 40)  # noqa: PLR2004  (a red disc)
    noise = random.normal(0, 9, size=waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)
