"""All parameters of the training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSettings:
    """What a run is made of.

    Attributes:
        map_steps: Of step 1, each about ten tiles.
        reader_steps: Of step 2.
        reader_scenes: Whose maps step 2 keeps and learns from.
        reader_batch: Scenes in a step of step 2.
        rate: Learning rate of what is new.
        trunk_rate: Of the pre-trained stages.
        contrast: Weight of telling a cut-out from all others, beside being like its target.
        temperature: Of that.
        norm_steps: After so many steps the statistics of the sources stay as they are.
        warm_up_steps: In which the rates rise.
        seed: Of weights and scenes.
        saved_every: Steps.
    """

    map_steps: int = 1400
    reader_steps: int = 800
    reader_scenes: int = 300
    reader_batch: int = 4
    rate: float = 2e-3
    trunk_rate: float = 4e-4
    contrast: float = 0.2
    temperature: float = 0.07
    norm_steps: int = 100
    warm_up_steps: int = 30
    seed: int = 0
    saved_every: int = 25

    @property
    def digest(self) -> str:
        """What differs if any parameter does."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]
