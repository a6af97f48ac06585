"""The best answer to a prompt that one thing answers: does its box lie right, and how well does its mask?

The accuracy of its box is that of referring expressions (RefCOCO; Yu et al., arXiv 1608.00272): right if the
IoU is at least a half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from models.evaluation.detection.answers import Asked, box_iou, mask_iou
from models.evaluation.detection.intervals import weighted_mean
from models.segmentation.samples import PromptKind

RIGHT: Final = 0.5


@dataclass(frozen=True)
class Pointed:
    """The best answer to one prompt: its overlap with the one thing that was meant, 0 where there is none."""

    scene: int
    kind: PromptKind
    text: str
    box_iou: float
    mask_iou: float


def pointed(asked: Sequence[Asked]) -> list[Pointed]:
    """Return the best answer to each prompt that exactly one thing answers."""
    found = []
    for scene, each in enumerate(asked):
        for prompt, truths in each.present().items():
            if len(truths) != 1 or truths[0].crowd:
                continue
            overlap = _overlap(each, prompt, truths[0].box, truths[0].mask)
            found.append(Pointed(scene, each.prompts[prompt].kind, each.prompts[prompt].text, *overlap))
    return found


def accuracy(found: Sequence[Pointed], weights: Float[np.ndarray, "scene"]) -> float:
    """Return the share of prompts whose best box is right."""
    return _mean([float(each.box_iou >= RIGHT) for each in found], found, weights)


def mean_mask_iou(found: Sequence[Pointed], weights: Float[np.ndarray, "scene"]) -> float:
    """Return the mean overlap of the best mask with the thing's."""
    return _mean([each.mask_iou for each in found], found, weights)


def _mean(values: Sequence[float], found: Sequence[Pointed], weights: Float[np.ndarray, "scene"]) -> float:
    scenes = np.array([each.scene for each in found], dtype=np.int64)
    return weighted_mean(np.array(values, dtype=np.float64), weights[scenes])


def _overlap(
    asked: Asked, prompt: int, box: tuple[float, float, float, float], mask: bytes
) -> tuple[float, float]:
    place = asked.answers.best(prompt)
    if place is None:
        return 0.0, 0.0
    said = asked.answers
    of_boxes = box_iou(said.boxes[place : place + 1], np.array([box]))
    own = said.masks[said.mask[place]]
    of_masks = mask_iou([own], [mask], asked.width_px, asked.height_px)
    return float(of_boxes[0, 0]), float(of_masks[0, 0])
