"""All parameters of the detector's training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from models.segmentation.sampling import Share

MIXTURE: Final = (
    ("clipart", Share(512, 0.1)),
    ("referring", Share(2560, 0.45)),
    ("scenes", Share(4096, 1.0)),
    ("stuff", Share(2048, 0.5)),
)


@dataclass(frozen=True)
class NamingSettings:
    """How the region reader is taught names.

    Attributes:
        steps: Of the whole.
        batch: Things a step.
        rate: Learning rate of AdamW.
        decay: Its weight decay.
        clip: Longest gradient.
        warm_up_steps: In which the rate rises; then it falls, half a cosine, to the end.
        second: Share of things that are asked for by another name.
        seed: Of what is drawn.
    """

    steps: int = 4000
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.05
    clip: float = 1.0
    warm_up_steps: int = 100
    second: float = 0.25
    seed: int = 0


@dataclass(frozen=True)
class TrainingSettings:
    """What a run is made of.

    Attributes:
        mixture: Scenes of each set, and how often the set is drawn.
        steps: Of the whole run.
        batch: Scenes a step.
        rate: Learning rate of AdamW.
        decay: Its weight decay.
        clip: Longest gradient.
        warm_up_steps: In which the rate rises; then it falls, half a cosine, to the end.
        words: Weight of which text is true of a box.
        teaching: Weight of pointing where the encoder of pictures points.
        seed: Of weights, order, negatives.
        saved_every: Steps.
        watched_every: Steps after which development scenes are looked at.
    """

    mixture: tuple[tuple[str, Share], ...] = field(default=MIXTURE)
    steps: int = 3600
    batch: int = 8
    rate: float = 1e-3
    decay: float = 0.05
    clip: float = 0.5
    warm_up_steps: int = 200
    words: float = 1.0
    teaching: float = 2.0
    seed: int = 0
    saved_every: int = 100
    watched_every: int = 500

    @property
    def digest(self) -> str:
        """What differs if any parameter does."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]
