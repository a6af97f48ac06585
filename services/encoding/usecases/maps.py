"""Feature maps of whole images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from models.vision.local_encoder.reading import FeatureMaps, tiles_of
from models.vision.tiles import Grid
from services.encoding import domain
from services.encoding.ports import ImageSource, MapEncoder, MapStore
from services.encoding.usecases.stages import Stages
from services.kernel.errors import InvalidInput
from services.kernel.pictures import decoded
from services.kernel.sharing import Once, TimeLimit, Turns
from services.kernel.vocabulary import ImageReference, Stage

MOST_TILES: Final = 4
"""Tiles of one forward pass, as crops have it."""


class MapKey(NamedTuple):
    """What a map depends on."""

    image_digest: str
    size_px: tuple[int, int]
    models: tuple[str, ...]


@dataclass(frozen=True)
class MapPace:
    """How fast maps may be made: as `Pace`, with how many tiles an image may have."""

    limit: TimeLimit
    turns: Turns
    once: Once[MapKey, FeatureMaps]
    most_tiles: int


class Maps:
    """Makes the map of an image: once by the same models, however many callers and regions ask."""

    def __init__(self, images: ImageSource, encoder: MapEncoder, pace: MapPace) -> None:
        self._images = images
        self._encoder = encoder
        self._pace = pace

    def grid(self, image: ImageReference) -> Grid:
        """Return the tiles that the image would be cut into, before anything is done."""
        return domain.grid_of(image, self._encoder.tile(), most_tiles=self._pace.most_tiles)

    def __call__(self, image: ImageReference) -> FeatureMaps:
        """Return the map.

        Raises:
            InvalidInput: The bytes are no picture, or one of another size than is said.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: The image or a model is not to be had.
        """
        size_px = (image.width_px, image.height_px)
        key = MapKey(image.digest, size_px, self._encoder.map_models())
        (found,) = self._pace.once([key], lambda _: [self._made(image)])
        return found

    def _made(self, image: ImageReference) -> FeatureMaps:
        grid = self.grid(image)
        data = self._images.read(image)
        with self._pace.turns.turn():
            tiles = tiles_of(decoded(data, image), grid, side_px=self._encoder.tile().side_px)
            parts: list[Float32[np.ndarray, "n h w dim"]] = []
            for start in range(0, len(tiles), MOST_TILES):
                self._pace.limit.check()
                parts.append(self._encoder.see(tiles[start : start + MOST_TILES]))
        return domain.feature_maps(np.concatenate(parts), grid)


@dataclass(frozen=True)
class StoredMap:
    """Where a map lies for others: little-endian 32-bit floats, the last axis closest.

    Attributes:
        name: `local` or `overview`.
        key: In the object store.
        digest: SHA-256 of the bytes.
        shape: Rows, columns, dimensions.
    """

    name: str
    key: str
    digest: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class EncodedMaps:
    """The maps of one image, and the record of how they came about."""

    maps: tuple[StoredMap, ...]
    stage: Stage


class EncodeMaps:
    """Lays the map of an image into the object store, for whoever reads more from it than regions."""

    def __init__(self, maps: Maps, encoder: MapEncoder, store: MapStore, stages: Stages) -> None:
        self._maps = maps
        self._encoder = encoder
        self._store = store
        self._stages = stages

    def __call__(self, image: ImageReference, *, most_vectors: int = 0) -> EncodedMaps:
        """Return where the maps lie.

        Args:
            image: Whose.
            most_vectors: That the caller can take; 0: as many as there are.

        Raises:
            InvalidInput: There would be more vectors, the bytes are no picture, or one of another size.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: The image, a model or the store is away.
        """
        started = self._stages.clock()
        self._require_fits(image, most_vectors)
        seen = self._maps(image)
        named = {"local": seen.local, "overview": seen.overview}
        return EncodedMaps(
            tuple(self._stored(name, values, image) for name, values in named.items()),
            self._stages.ended(started, self._encoder.map_models()),
        )

    def _require_fits(self, image: ImageReference, most: int) -> None:
        grid = self._maps.grid(image)
        count = domain.vectors_of(grid, self._encoder.tile())
        if 0 < most < count:
            raise InvalidInput(
                f"the maps of {image.width_px} x {image.height_px} pixels have {count:,} vectors, of "
                f"{grid.columns} x {grid.rows} tiles and an overview, and most_vectors is {most:,}: "
                "allow as many, or send a smaller image",
                field="most_vectors",
                reason="TOO_MANY_VECTORS",
            )

    def _stored(self, name: str, values: Float32[np.ndarray, "h w dim"], image: ImageReference) -> StoredMap:
        key, digest = self._store.put(image, values.astype("<f4", copy=False).tobytes())
        return StoredMap(name, key, digest, values.shape)
