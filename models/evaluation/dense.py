"""The dense reader of the store: one map an image, any number of its regions."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from models.evaluation.encoders import STORE, VISUAL, Model, NoSuchModel
from models.vision.local_encoder.reading import Reader

_TILES = 4


def reader(store: Path = STORE) -> Reader:
    """Return the reader whose embeddings stand in the space of fovea-global.

    Raises:
        NoSuchModel: If it is not there, or was made for another encoder.
    """
    local, regions, crops = (Model(name, store) for name in ("fovea-local", "fovea-regions", "fovea-global"))
    if regions.dim(VISUAL) != crops.dim(VISUAL):
        raise NoSuchModel(
            f"{regions.name} was made for another encoder: it gives {regions.dim(VISUAL)} numbers, "
            f"{crops.name} {crops.dim(VISUAL)}"
        )
    return Reader(partial(_patches, local), partial(_regions, regions))


def _patches(local: Model, tiles: UInt8[np.ndarray, "n 224 224 3"]) -> Float32[np.ndarray, "n h w d"]:
    parts = [local.run({"tiles": tiles[start : start + _TILES]}) for start in range(0, len(tiles), _TILES)]
    return np.concatenate([part["patches"] for part in parts])


def _regions(
    model: Model,
    local: Float32[np.ndarray, "n H W d"],
    overview: Float32[np.ndarray, "n h w d"],
    points: Float32[np.ndarray, "n r p 3"],
) -> Float32[np.ndarray, "n r dim"]:
    return model.run({"local": local, "overview": overview, "points": points})["embeddings"]
