"""A training run: counts steps, sets the rates, saves, and continues from what was saved."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

_LEAST_SHARE = 1e-3


@runtime_checkable
class Pace(Protocol):
    """What a run needs to know of its settings."""

    @property
    def warm_up_steps(self) -> int:
        """In which the rates rise."""
        ...

    @property
    def saved_every(self) -> int:
        """Steps."""
        ...


def share(step: int, total: int, *, warm_up_steps: int) -> float:
    """Return the share of the learning rate: a short rise, then half a cosine."""
    rise = min(1.0, (step + 1) / warm_up_steps)
    return rise * 0.5 * (1 + math.cos(math.pi * step / total))


@dataclass(frozen=True, eq=False)
class Run:
    """Steps that are left, with the rates set before each and the state saved now and then.

    Attributes:
        optimiser: With the full rate in each of its groups.
        modules: What is saved and restored.
        checkpoint: Where.
        total: Steps of a whole run.
        settings: How.
        clip: Longest gradient.
    """

    optimiser: torch.optim.Optimizer
    modules: nn.Module
    checkpoint: Path
    total: int
    settings: Pace
    clip: float = 5.0

    def steps(self) -> Iterator[int]:
        """Yield the numbers of the steps that are left; between them, `descend` is called."""
        for group in self.optimiser.param_groups:
            group["initial_lr"] = group["lr"]
        start = self._restored()
        for step in range(start, self.total):
            rate = share(step, self.total, warm_up_steps=self.settings.warm_up_steps) + _LEAST_SHARE
            for group in self.optimiser.param_groups:
                group["lr"] = group["initial_lr"] * rate
            yield step
            if (step + 1) % self.settings.saved_every == 0 or step + 1 == self.total:
                self._save(step + 1)

    def descend(self, loss: Tensor) -> float:
        """Take a step down this loss and return its value."""
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.modules.parameters(), self.clip)
        self.optimiser.step()
        return float(loss.item())

    def _save(self, step: int) -> None:
        state = {"step": step, "modules": self.modules.state_dict(), "optimiser": self.optimiser.state_dict()}
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.checkpoint.with_suffix(".unfinished")
        torch.save(state, unfinished)
        unfinished.rename(self.checkpoint)

    def _restored(self) -> int:
        if not self.checkpoint.is_file():
            return 0
        state = torch.load(self.checkpoint, weights_only=True)
        self.modules.load_state_dict(state["modules"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])
