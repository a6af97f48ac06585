"""The floor to beat: each picture as 16 x 16 pixels, and the nearest taught one by cosine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32
from PIL import Image

from examples.demo.modes import ANSWER_SIZE, Guess
from examples.demo.task import Picture

_SIDE_PX = 16


class PixelMemory:
    """Remembers the same pictures as Fovea and answers the same queries."""

    def __init__(self, taught: Sequence[Picture]) -> None:
        pixels = np.stack([_pixels(picture) for picture in taught])
        self._labels = [picture.label for picture in taught]
        self._mean = pixels.mean(axis=0)
        self._vectors = _unit(pixels - self._mean)  # (n, 768)

    def guess(self, picture: Picture) -> Guess:
        """Return the nearest labels; one picture a class was taught, so they are distinct."""
        similarity = self._vectors @ _unit(_pixels(picture) - self._mean)
        nearest = np.argsort(-similarity, kind="stable")[:ANSWER_SIZE]
        return Guess(tuple(self._labels[i] for i in nearest), float(similarity[nearest[0]]))


def _pixels(picture: Picture) -> Float32[np.ndarray, "768"]:
    """Return the picture on white, as small as this, with values in [0, 1]."""
    with Image.open(picture.path) as opened:
        drawn = opened.convert("RGBA")
    white = Image.new("RGBA", drawn.size, "white")
    white.alpha_composite(drawn)
    small = white.convert("RGB").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32).ravel() / 255


def _unit(vectors: Float32[np.ndarray, "*n dim"]) -> Float32[np.ndarray, "*n dim"]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)
