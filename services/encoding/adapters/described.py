"""What models say of themselves: which of their outputs are embeddings, and what they are to be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from models.vision.preparation import DEFAULTS, PreparationSettings
from services.encoding.domain import TileShape
from services.kernel.errors import Unsupported
from services.runtime.model_execution.embeddings import embeddings_of
from services.runtime.model_execution.folder import Description, ModelFolder

IMAGE_AXES: Final = 4
"""Batch, row, column, channel."""


@dataclass(frozen=True)
class Sight:
    """How crops are seen.

    Attributes:
        name: A model from UINT8 `crops` to FP32 embeddings.
        outputs: The space of each, that of looks first.
        preparation: How crops are made ready for it.
    """

    name: str
    outputs: Mapping[str, str]
    preparation: PreparationSettings = DEFAULTS


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


def sight(name: str, described: Description, *, space: str = "", alone: bool = False) -> Sight:
    """Return how a model sees crops.

    Args:
        name: What whoever runs it calls it.
        described: Its description.
        space: Of its looks, if not its own.
        alone: Whether it serves nothing but those.

    Raises:
        Unsupported: It takes no crops, or none of its outputs says which space it lies in.
    """
    given = described.inputs[0]
    if given.name != "crops" or len(given.shape) != IMAGE_AXES or given.shape[1] < 1:
        raise Unsupported(f"{described.name} does not take crops of one size", reason="MODEL_KIND")
    outputs = {each.name: each.space for each in embeddings_of(described, axes=2)}
    looks = next(iter(outputs))
    outputs = {looks: space or outputs[looks]} | ({} if alone else _without(outputs, looks))
    crops = {} if described.crops is None else described.crops.model_dump()
    return Sight(name, outputs, PreparationSettings(size_px=given.shape[1], **crops))


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


def _without(values: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}
