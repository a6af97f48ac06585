"""What a detector is not told: whether a box in a crowd is right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.segmentation.crowds.boxes import spared


@dataclass(frozen=True, eq=False)
class Crowds:
    """The crowds of one picture.

    Attributes:
        boxes: Left, top, right, bottom as shares of the square.
        answers: Which prompts of the batch are true of what stands in each.
    """

    boxes: Float[Tensor, "c 4"]
    answers: Bool[Tensor, "c t"]

    def to(self, device: torch.device) -> Crowds:
        """Return the crowds where they are computed with."""
        return Crowds(self.boxes.to(device), self.answers.to(device))

    def spares(self, boxes: Float[Tensor, "n 4"]) -> Bool[Tensor, "n t"]:
        """Return which boxes lie in a crowd of a prompt, and are neither right nor wrong for it."""
        arrays = (each.detach().cpu().numpy() for each in (boxes, self.boxes, self.answers))
        return torch.from_numpy(spared(*arrays)).to(boxes.device)


def spared_in(
    crowds: list[Crowds | None], boxes: Float[Tensor, "b n 4"], prompts: int
) -> Bool[Tensor, "b n t"]:
    """Return for each picture which boxes lie in a crowd of each prompt; none where there is no crowd."""
    nothing = torch.zeros(boxes.shape[1], prompts, dtype=torch.bool, device=boxes.device)
    return torch.stack(
        [nothing if each is None else each.spares(own) for each, own in zip(crowds, boxes, strict=True)]
    )
