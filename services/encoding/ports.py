"""What encoding needs from the world."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from models.vision.local_encoder.reading import FeatureMaps
from models.vision.preparation import PreparationSettings
from services.encoding.domain import TileShape
from services.kernel.vectors import Vectors
from services.kernel.vocabulary import ImageReference


@runtime_checkable
class ImageSource(Protocol):
    """Where the bytes of an image are."""

    def read(self, image: ImageReference) -> bytes:
        """Return the bytes that the reference's digest names. Raises NotFound, Corrupt, Unavailable."""
        ...


@runtime_checkable
class MapStore(Protocol):
    """Where maps are laid for others."""

    def put(self, image: ImageReference, data: bytes) -> tuple[str, str]:
        """Store a map of the image; return its key and the SHA-256 of its bytes. Raises Unavailable."""
        ...


@runtime_checkable
class ImageEncoder(Protocol):
    """Sees crops; safe to use from many threads."""

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part."""
        ...

    def spaces(self) -> tuple[str, ...]:
        """Return the spaces that it encodes into: that of looks first, then those of names."""
        ...

    def preparation(self) -> PreparationSettings:
        """Return how crops are made ready for it."""
        ...

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        """Return the crops' embeddings, in order, once for each of its spaces.

        Raises Unavailable, DeadlineExceeded.
        """
        ...


@runtime_checkable
class MapEncoder(Protocol):
    """Sees a whole image in tiles, and reads regions from what it saw; safe to use from many threads."""

    def map_models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that makes maps."""
        ...

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part in reading a region, those of maps first."""
        ...

    def spaces(self) -> tuple[str, ...]:
        """Return the spaces that it reads into."""
        ...

    def tile(self) -> TileShape:
        """Return what a tile is, and how many vectors become of it."""
        ...

    def see(self, tiles: UInt8[np.ndarray, "n side side 3"]) -> Float32[np.ndarray, "n h w dim"]:
        """Return a small map of each tile, in order. Raises Unavailable, DeadlineExceeded."""
        ...

    def read(self, seen: FeatureMaps, points: Float32[np.ndarray, "n point 3"]) -> tuple[Vectors, ...]:
        """Return the embeddings of regions, in order, once for each of its spaces.

        Args:
            seen: The map that they are read from.
            points: Of each region: x and y, as shares of the image, and 1 if the point is inside, else 0.

        Raises Unavailable, DeadlineExceeded.
        """
        ...
