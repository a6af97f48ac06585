"""Which answers above the threshold are right, which are alarms, and what was missed: for looking at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from models.evaluation.detection.answers import Answers, Asked, box_iou
from models.evaluation.detection.prompted import RIGHT


@dataclass(frozen=True, eq=False)
class Verdict:
    """One scene at the thresholds that ship.

    Attributes:
        answers: Above the threshold, the surest first.
        right: Of each: whether it lies on a thing that answers its prompt and that no surer one took.
        missed: Of each pair of a prompt and a thing that no answer found: their places.
    """

    answers: Answers
    right: tuple[bool, ...]
    missed: tuple[tuple[int, int], ...]

    @property
    def quality(self) -> float:
        """F1: twice the hits, over answers and truths together; one where nothing is and nothing was said."""
        hits = sum(self.right)
        together = len(self.right) + hits + len(self.missed)
        return 2 * hits / together if together else 1.0


def judged(asked: Asked, thresholds: Float[np.ndarray, "prompt"]) -> Verdict:
    """Return which answers of a scene are right at an IoU of a half."""
    above = asked.answers.above(thresholds)
    boxes = np.array([each.box for each in asked.truths]).reshape(-1, 4)
    overlap = box_iou(above.boxes, boxes)
    open_pairs = {
        (prompt, place)
        for place, truth in enumerate(asked.truths)
        if not truth.crowd
        for prompt in truth.answers & asked.verified
    }
    right = []
    for prompt, row in zip(above.prompts.tolist(), overlap, strict=True):
        fitting = [place for place in np.argsort(-row).tolist() if row[place] >= RIGHT]
        pair = next(((prompt, place) for place in fitting if (prompt, place) in open_pairs), None)
        right.append(pair is not None)
        open_pairs -= {pair} if pair is not None else set()
    return Verdict(above, tuple(right), tuple(sorted(open_pairs)))
