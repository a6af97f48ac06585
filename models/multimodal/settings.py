"""The stages of training, declared as data: what learns, on what, by which losses, how fast."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

Part = Literal["projector", "adapter"]
IMAGE_TOKENS: Final = 5


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: Of it, and of its checkpoint.
        learns: What is trained; everything else stays as it is, to the bit.
        mix: Share of each kind of example.
        ranking: Weight of telling the names of a tree apart, beside saying the true one.
        steps: How many, 0: none so far; a run with more continues from a checkpoint with fewer.
        rows: In a step.
        rate: Highest learning rate.
        frozen: So many of the lowest layers are passed without gradient.
        easy: Share of the examples with one letter whose other candidates are of chance: what the letters are
            for has to be learned before look-alikes are told apart.
        spread: Whether every name is drawn equally often, and not every window.
        hint: Most that a picture before letters is moved towards the words of its name, for the same reason.
    """

    name: str
    learns: Part
    mix: Mapping[str, float]
    ranking: float
    steps: int
    rows: int
    rate: float
    frozen: int = 0
    easy: float = 0.0
    hint: float = 0.0
    spread: bool = False


@dataclass(frozen=True)
class Recipe:
    """All constants of a training.

    Attributes:
        stages: In their order.
        hidden: Width of what the projector adds to its linear map.
        ridge: Of the linear map that the projector begins as, as a share of the features' mean variance.
        clipart_weight: Of a piece of clip art in that.
        sharpness: What mean log-likelihoods of names are multiplied with before they compete.
        noise: Standard deviation that is added to each feature.
        memory: Classes that a picture finds its neighbours among.
        neighbours: That it finds.
        draws: Memories that each picture asks.
        warm_up_steps: In which rates rise.
        saved_every: Steps.
        seed: Of everything that is drawn.
    """

    stages: tuple[Stage, ...] = (
        Stage("projector", "projector", MappingProxyType({"open": 1.0}), 1.0, 160, 16, 3e-4),
        Stage(
            "instruct",
            "adapter",
            MappingProxyType({"open": 0.5, "choice": 0.4, "ranking": 0.1}),
            1.0,
            360,
            16,
            8e-4,
            frozen=6,
            easy=0.5,
            hint=1.0,
        ),
        Stage("names", "adapter", MappingProxyType({"open": 1.0}), 1.0, 200, 16, 6e-4, frozen=6),
        Stage("spread", "adapter", MappingProxyType({"open": 1.0}), 1.0, 0, 16, 6e-4, frozen=6, spread=True),
    )
    hidden: int = 384
    ridge: float = 0.1
    clipart_weight: float = 0.3
    sharpness: float = 4.0
    noise: float = 0.01
    memory: int = 350
    neighbours: int = 20
    draws: int = 2
    warm_up_steps: int = 20
    saved_every: int = 20
    seed: int = 0

    @property
    def digest(self) -> str:
        """What differs if any constant does but the number of steps, which may grow."""
        stages = [
            (replace(stage, steps=0, mix=MappingProxyType({})), sorted(stage.mix.items()))
            for stage in self.stages
        ]
        said = repr((stages, [value for key, value in vars(self).items() if key != "stages"]))
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def with_steps(self, steps: Mapping[str, int]) -> Recipe:
        """Return the recipe with other numbers of steps, by stage. Raises ValueError for no such stage."""
        unknown = steps.keys() - {stage.name for stage in self.stages}
        if unknown:
            raise ValueError(f"no stage is called {min(unknown)}")
        stages = tuple(replace(stage, steps=steps.get(stage.name, stage.steps)) for stage in self.stages)
        return replace(self, stages=stages)
