"""Image encoders over whatever runs models."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from models.vision.local_encoder.reading import FeatureMaps
from services.encoding.adapters.described import TiledSight
from services.encoding.domain import TileShape
from services.kernel.vectors import Vectors
from services.runtime.model_execution.embeddings import same_models
from services.runtime.model_execution.ports import ModelExecution


class ModelMapEncoder:
    """Sends tiles to one model, and what it saw, with the places of regions, to another.

    Args:
        models: Runs them.
        sight: How they are asked.
    """

    def __init__(self, models: ModelExecution, sight: TiledSight) -> None:
        self._models = models
        self._sight = sight

    def map_models(self) -> tuple[str, ...]:
        """Return the identity of the model that sees tiles."""
        return (self._models.identity(self._sight.local),)

    def models(self) -> tuple[str, ...]:
        """Return the identities of both."""
        return (*self.map_models(), self._models.identity(self._sight.regions))

    def spaces(self) -> tuple[str, ...]:
        """Return the spaces that regions are read into."""
        return tuple(self._sight.outputs.values())

    def tile(self) -> TileShape:
        """Return what a tile is."""
        return self._sight.tile

    def see(self, tiles: UInt8[np.ndarray, "n side side 3"]) -> Float32[np.ndarray, "n h w dim"]:
        """Return a map of each tile."""
        before = self.map_models()
        seen = self._models.run(self._sight.local, {"tiles": tiles})
        same_models(before, self.map_models())
        return seen["patches"]

    def read(self, seen: FeatureMaps, points: Float32[np.ndarray, "n point 3"]) -> tuple[Vectors, ...]:
        """Return what the regions look like."""
        regions = self._models.identity(self._sight.regions)
        one = {"local": seen.local, "overview": seen.overview, "points": points}
        reply = self._models.run(self._sight.regions, {name: values[None] for name, values in one.items()})
        same_models((regions,), (self._models.identity(self._sight.regions),))
        return tuple(
            Vectors(reply[output][0], encoder=self._sight.encoders.get(output, regions), space=space)
            for output, space in self._sight.outputs.items()
        )
