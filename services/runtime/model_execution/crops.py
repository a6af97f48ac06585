"""Models that see crops: what they say of themselves, and how they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import UInt8

from models.vision.preparation import DEFAULTS, PreparationSettings
from services.kernel.errors import Unsupported
from services.kernel.vectors import Vectors
from services.kernel.vocabulary import NAME_SPACE
from services.runtime.model_execution.embeddings import embeddings_of, same_models, vectors_of
from services.runtime.model_execution.folder import Description
from services.runtime.model_execution.ports import ModelExecution

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
    preparation = preparation_of(described)
    outputs = {each.name: each.space for each in embeddings_of(described, axes=2)}
    looks = next(iter(outputs))
    outputs = {looks: space or outputs[looks]} | ({} if alone else _without(outputs, looks))
    return Sight(name, outputs, preparation)


def preparation_of(described: Description) -> PreparationSettings:
    """Return how crops are made ready for a model. Raises Unsupported if it takes none."""
    given = described.inputs[0]
    if given.name != "crops" or len(given.shape) != IMAGE_AXES or given.shape[1] < 1:
        raise Unsupported(f"{described.name} does not take crops of one size", reason="MODEL_KIND")
    crops = {} if described.crops is None else described.crops.model_dump()
    return PreparationSettings(size_px=given.shape[1], **crops)


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


def _without(values: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}
