"""What comes of prompts that nothing answers, at the thresholds that ship; and D³'s groups of phrases.

D³ (Xie et al., arXiv 2307.12813) asks for descriptions and tells those that say what is there (PRESENCE) from
those that say what is not (ABSENCE); FULL is both. *Intra* asks each scene for its own descriptions, *inter*
for everybody's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from models.evaluation.detection.answers import Asked
from models.evaluation.detection.intervals import weighted_mean

FULL: Final = "FULL"
PRESENCE: Final = "PRESENCE"
ABSENCE: Final = "ABSENCE"
_DENIES: Final = re.compile(r"\bnot\b", re.IGNORECASE)


@dataclass(frozen=True)
class Offered:
    """One prompt of one scene: its best score, and whether something answers it."""

    scene: int
    text: str
    present: bool
    score: float
    accepted: bool


def offered(asked: Sequence[Asked], thresholds: Sequence[float]) -> list[Offered]:
    """Return what each prompt of each scene came to.

    Args:
        asked: The scenes.
        thresholds: Of each scene's prompts, which are of one kind: what scores more is accepted.
    """
    found = []
    for scene, (each, threshold) in enumerate(zip(asked, thresholds, strict=True)):
        present = each.present()
        for prompt in sorted(each.verified):
            best = each.answers.best(prompt)
            score = 0.0 if best is None else float(each.answers.scores[best])
            text = each.prompts[prompt].text
            found.append(Offered(scene, text, prompt in present, score, score > threshold))
    return found


def accepted_share(found: Sequence[Offered], weights: Float[np.ndarray, "scene"], *, present: bool) -> float:
    """Return how many prompts that something (or nothing) answers have a detection above the threshold."""
    chosen = [each for each in found if each.present == present]
    scenes = np.array([each.scene for each in chosen], dtype=np.int64)
    return weighted_mean(np.array([each.accepted for each in chosen], dtype=np.float64), weights[scenes])


def group_of(text: str) -> str:
    """Return D³'s group of a phrase: whether it says what is not there."""
    return ABSENCE if _DENIES.search(text) else PRESENCE


def only(asked: Sequence[Asked], group: str) -> list[Asked]:
    """Return the scenes with only the prompts of one group verified."""
    return [
        Asked(
            each.width_px,
            each.height_px,
            each.prompts,
            each.truths,
            each.answers,
            frozenset(p for p in each.verified if group in (FULL, group_of(each.prompts[p].text))),
        )
        for each in asked
    ]
