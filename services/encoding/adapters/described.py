"""What models say of themselves: which of their outputs are embeddings, and what they are to be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.encoding.domain import TileShape
from services.kernel.errors import Unsupported
from services.runtime.model_execution.crops import IMAGE_AXES
from services.runtime.model_execution.embeddings import embeddings_of
from services.runtime.model_execution.folder import ModelFolder


@dataclass(frozen=True)
class TiledSight:
    """How a whole image is seen, and regions are read from that.

    Attributes:
        local: A model from UINT8 `tiles` to FP32 `patches`.
        regions: A model from FP32 `local`, `overview` and `points`, one image each, to FP32 embeddings.
        tile: What the first one takes, and how much it gives.
        outputs: Of the second: the space of each.
        encoders: The models that they are comparable with, where that is not the second one itself.
    """

    local: str
    regions: str
    tile: TileShape
    outputs: Mapping[str, str]
    encoders: Mapping[str, str] = field(default_factory=dict)


def tiled_sight(local: ModelFolder, regions: ModelFolder) -> TiledSight:
    """Return how two models see a whole image. Raises Unsupported if they are not made for that."""
    tiles, patches = local.description.inputs[0], local.description.outputs[0]
    if {len(tiles.shape), len(patches.shape)} != {IMAGE_AXES} or min(patches.shape[1:]) < 1:
        raise Unsupported(f"{local.name} does not make maps of tiles", reason="MODEL_KIND")
    found = embeddings_of(regions.description, axes=3)
    return TiledSight(
        local.name,
        regions.name,
        TileShape(side_px=tiles.shape[1], rows=patches.shape[1], columns=patches.shape[2]),
        {each.name: each.space for each in found},
        {each.name: each.encoder for each in found if each.encoder},
    )
