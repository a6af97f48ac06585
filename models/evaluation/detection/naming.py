"""Own boxes against true ones, and who names them: the detector's regions, or an encoder that sees each crop.

RAR (Liu et al., arXiv 2403.13805) falls from 57 to 19 AP between true boxes and a detector's: both are asked
here. The encoder takes one pass for each region, the detector one for all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, UInt8

from models.evaluation.detection.answers import Answers, Asked, box_iou
from models.evaluation.detection.evidence import Evidence
from models.evaluation.detection.finder import Read
from models.evaluation.detection.prompted import RIGHT
from models.evaluation.detection.twice import See
from models.evaluation.emoji import VOTES
from models.evaluation.encoders import NAMES
from models.evaluation.features import Features
from models.segmentation.outputs import iou, sigmoid
from models.vision.boxes import Box
from models.vision.preparation import prepare

REGIONS: Final = 12
"""Regions of a scene that the encoder is shown: the surest after doubles are suppressed."""
_DOUBLES: Final = 0.5
_NO_MASK: Final = b""


@dataclass(frozen=True, eq=False)
class Named:
    """One scene, its regions named in one way.

    Attributes:
        asked: The scene with what its regions were named.
        right: For each thing that answers a prompt: whether a region lies on it and has its name first.
    """

    asked: Asked
    right: tuple[bool, ...]


class Crops:
    """Names crops of scenes by the encoder that sees them; what it saw once is kept.

    Args:
        see: Sees crops.
        read: Reads names into the same space.
        folder: For what was seen; its name holds the digest of the encoder.
    """

    def __init__(self, see: See, read: Read, folder: Path) -> None:
        self._see = see
        self._read = read
        self._features = Features(folder)

    def scores(
        self, image: UInt8[np.ndarray, "h w 3"], boxes: Float[np.ndarray, "n 4"], names: Sequence[str]
    ) -> Float[np.ndarray, "n name"]:
        """Return how surely each crop has each name: by the shipped votes, of which "unknown" has one."""
        height_px, width_px = image.shape[:2]
        crops = [prepare(image, Box.around(*box).within(width_px, height_px)) for box in boxes.tolist()]
        digests = [hashlib.sha256(crop.tobytes()).hexdigest() for crop in crops]
        missing = self._features.missing(digests)
        if missing:
            seen = self._see(np.stack([crops[place] for place in missing]))
            self._features.add([digests[place] for place in missing], {NAMES: seen[NAMES]})
        cosine = self._features.of(digests)[NAMES] @ self._read(names).T
        votes = np.exp((cosine - VOTES[NAMES].reference) / VOTES[NAMES].temperature)
        shares: np.ndarray = votes / (1 + votes.sum(axis=1, keepdims=True))
        return shares.astype(np.float64)


def true_boxes(evidence: Evidence) -> Float[np.ndarray, "n 4"]:
    """Return the boxes of what answers a prompt."""
    return np.array([each.box for each in evidence.truths if each.answers]).reshape(-1, 4)


def own_regions(evidence: Evidence) -> list[int]:
    """Return the surest regions, whatever they show, doubles suppressed."""
    overlap: Float[np.ndarray, "q q"] = iou(evidence.regions.boxes)
    chosen: list[int] = []
    for place in np.argsort(-evidence.regions.objectness, kind="stable").tolist():
        if len(chosen) == REGIONS:
            break
        if overlap[place, place] > 0 and not (overlap[place, chosen] > _DOUBLES).any():
            chosen.append(place)
    return chosen


def by_regions_on_true_boxes(evidence: Evidence) -> Float[np.ndarray, "n prompt"]:
    """Return how the region that fits each true box best answers the prompts; nothing where none fits."""
    truths = true_boxes(evidence)
    overlap = box_iou(truths, evidence.regions.boxes)
    best = overlap.argmax(axis=1)
    scores: np.ndarray = sigmoid(evidence.regions.unaided)[best].astype(np.float64)
    scores[overlap[np.arange(len(truths)), best] < RIGHT] = 0
    return scores


def named(
    evidence: Evidence, boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, "n prompt"]
) -> Named:
    """Return a scene whose regions have been named.

    Args:
        evidence: The scene.
        boxes: Of regions, the surest first.
        scores: How surely each region is what each prompt says.
    """
    regions, prompts = (scores > 0).nonzero()
    answers = Answers(prompts, scores[regions, prompts], boxes[regions], (_NO_MASK,), np.zeros_like(prompts))
    every = Asked(
        evidence.width_px, evidence.height_px, evidence.prompts, evidence.truths, answers, evidence.verified
    )
    wanted = [each for each in evidence.truths if each.answers]
    overlap = box_iou(true_boxes(evidence), boxes)
    right = []
    for truth, row in zip(wanted, overlap, strict=True):
        there = np.flatnonzero(row >= RIGHT)
        first = there[0] if len(there) else None
        right.append(
            first is not None and bool(scores[first].any()) and int(scores[first].argmax()) in truth.answers
        )
    return Named(every, tuple(right))
