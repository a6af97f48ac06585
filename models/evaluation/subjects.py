"""What is compared: encoders, and what they must beat."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from models.data.manifest import Manifest
from models.evaluation.encoders import NAMES, VISUAL, Encoder
from models.evaluation.features import Features
from models.vision.images import ImageLimits, decode
from models.vision.preparation import DEFAULTS, prepare

_LIMITS: Final = ImageLimits(max_bytes=1 << 25, max_pixels=1 << 26, max_side_px=1 << 14)
_PART: Final = 256
_PIXELS_PX: Final = 16
_POOLED: Final = 2024
"""Leading numbers of lite0's embedding: the pooled head and the means of five stages, without the pixels."""


See = Callable[[UInt8[np.ndarray, "n size size 3"]], dict[str, Float32[np.ndarray, "n dim"]]]


@dataclass(frozen=True, eq=False)
class Views:
    """Pictures as one subject sees them, one unit-norm row each.

    Attributes:
        visual: For search by picture.
        name: Among the names' embeddings; None where the subject knows no names.
    """

    visual: Float[np.ndarray, "n visual"]
    name: Float[np.ndarray, "n name"] | None = None


@runtime_checkable
class Subject(Protocol):
    """Something that sees pictures, and may read names."""

    @property
    def title(self) -> str:
        """How tables call it."""
        ...

    def see(self, pictures: Manifest) -> Views:
        """Return the pictures of a set, in its order."""
        ...

    def read(self, names: Sequence[str]) -> Float[np.ndarray, "n name"] | None:
        """Return names in the space of `Views.name`; None where the subject knows no names."""
        ...


class Encoded:
    """An encoder. What it saw once is kept by digest: of the encoder, the preparation and the picture.

    Args:
        title: How tables call it.
        encoder: Sees and reads.
        cache: Folder for what was seen.
    """

    def __init__(self, title: str, encoder: Encoder, cache: Path) -> None:
        self._title = title
        self._encoder = encoder
        self._features = Features(cache / _key(encoder.digest))

    @property
    def title(self) -> str:
        """As given."""
        return self._title

    def see(self, pictures: Manifest) -> Views:
        """Return the pictures in every space of the encoder."""
        seen = _seen(pictures, self._features, self._encoder.see)
        return Views(seen[VISUAL], seen.get(NAMES))

    def read(self, names: Sequence[str]) -> Float[np.ndarray, "n name"]:
        """Return the encoder's embeddings of names."""
        return self._encoder.read(names)


class Pooled:
    """The pooled and mid-stage features of the packaged image model: nothing trained, no pixels joined."""

    title = "pooled + mid-stage features, untrained"

    def __init__(self, raw: Subject) -> None:
        self._raw = raw

    def see(self, pictures: Manifest) -> Views:
        """Return the leading part of the embedding, at unit norm."""
        visual = self._raw.see(pictures).visual[:, :_POOLED]
        return Views(visual / np.linalg.norm(visual, axis=1, keepdims=True))

    def read(self, names: Sequence[str]) -> None:
        """Know no names."""


class Pixels:
    """The picture itself at 16 x 16.

    Args:
        cache: As that of `Encoded`.
    """

    title = "16 x 16 pixels"

    def __init__(self, cache: Path) -> None:
        self._features = Features(cache / _key(self.title))

    def see(self, pictures: Manifest) -> Views:
        """Return the pixels around the mean of these pictures, at unit norm."""
        pixels = _seen(pictures, self._features, _reduced)[VISUAL]
        pixels -= pixels.mean(0)
        return Views(pixels / np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-9))

    def read(self, names: Sequence[str]) -> None:
        """Know no names."""


def crops_of(pictures: Manifest) -> UInt8[np.ndarray, "n 224 224 3"]:
    """Return whole pictures as the encoders get them from the services."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow lets others run while it decodes and resizes
        return np.stack(list(pool.map(_crop_of, (pictures.file(row) for row in pictures.rows))))


def _crop_of(file: Path) -> UInt8[np.ndarray, "224 224 3"]:
    return prepare(decode(file.read_bytes(), limits=_LIMITS))


def _seen(pictures: Manifest, features: Features, see: See) -> dict[str, np.ndarray]:
    """Return the features of pictures; those that are not kept yet are seen first."""
    digests = [row.sha256 for row in pictures.rows]
    missing = features.missing(digests)
    for start in range(0, len(missing), _PART):
        part = [pictures.rows[place] for place in missing[start : start + _PART]]
        crops = crops_of(Manifest(pictures.name, pictures.folder, tuple(part)))
        features.add([row.sha256 for row in part], see(crops))
    return features.of(digests)


def _reduced(crops: UInt8[np.ndarray, "n size size 3"]) -> dict[str, Float32[np.ndarray, "n pixels"]]:
    small = [
        np.asarray(Image.fromarray(crop).resize((_PIXELS_PX, _PIXELS_PX), Image.Resampling.BOX))
        for crop in crops
    ]
    return {VISUAL: np.stack(small).reshape(len(small), -1).astype(np.float32)}


def _key(digest: str) -> str:
    return hashlib.sha256(f"{digest} {DEFAULTS!r}".encode()).hexdigest()[:32]
