"""Image encoders over whatever runs models."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from models.vision.local_encoder.reading import FeatureMaps
from models.vision.preparation import PreparationSettings
from services.encoding.adapters.described import Sight, TiledSight
from services.encoding.domain import TileShape
from services.kernel.vectors import Vectors
from services.kernel.vocabulary import NAME_SPACE
from services.runtime.model_execution.embeddings import same_models, vectors_of
from services.runtime.model_execution.ports import ModelExecution


class ModelImageEncoder:
    """Sends crops to one model, and perhaps its logits over a bridge into the space of names.

    Args:
        models: Runs them.
        sight: How the model is asked.
        bridge: A model from its `logits` to FP32 `embeddings`; empty for a model that needs none.
    """

    def __init__(self, models: ModelExecution, sight: Sight, *, bridge: str = "") -> None:
        self._models = models
        self._sight = sight
        self._bridge = bridge

    def models(self) -> tuple[str, ...]:
        """Return the identities of the model and of the bridge, if there is one."""
        return tuple(self._models.identity(name) for name in (self._sight.name, self._bridge) if name)

    def spaces(self) -> tuple[str, ...]:
        """Return the space of looks, and behind it those of names."""
        return (*self._sight.outputs.values(), *([NAME_SPACE] if self._bridge else []))

    def preparation(self) -> PreparationSettings:
        """Return how crops are made ready for the model."""
        return self._sight.preparation

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        """Return what the crops look like, and where names for them lie."""
        models = self.models()
        seen = self._models.run(self._sight.name, {"crops": crops})
        found = vectors_of(seen, self._sight.outputs, models[0])
        if self._bridge:
            named = self._models.run(self._bridge, {"logits": seen["logits"]})
            found += vectors_of(named, {"embeddings": NAME_SPACE}, models[1])
        same_models(models, self.models())
        return found


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
