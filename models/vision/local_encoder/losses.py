"""What the local encoder and the reader are trained to be good at."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.vision.local_encoder.data import Lessons
from models.vision.local_encoder.settings import TrainingSettings


class Distillation(nn.Module):
    """How far what was read is from its targets, and whether it is nearer to them than to all others."""

    targets: Tensor
    classes: Tensor

    def __init__(self, lessons: Lessons, settings: TrainingSettings) -> None:
        super().__init__()
        self.register_buffer("targets", torch.from_numpy(lessons.targets), persistent=False)
        self.register_buffer("classes", torch.from_numpy(lessons.classes), persistent=False)
        self._settings = settings

    def forward(self, embeddings: Tensor, shown: Tensor) -> Tensor:
        """Return the loss of embeddings (n, dim) of regions that show these cut-outs (n)."""
        likeness = embeddings @ self.targets.T  # (n, cut-outs)
        own = likeness.gather(1, shown[:, None])
        others = (self.classes[shown][:, None] == self.classes).scatter(1, shown[:, None], value=False)
        logits = (likeness / self._settings.temperature).masked_fill(others, -1e9)
        return (1 - own).mean() + self._settings.contrast * functional.cross_entropy(logits, shown)
