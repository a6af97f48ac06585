"""Hand-made scenes: boxes on a plain, with masks that fill them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.evaluation.detection.answers import Answers, Asked, Truth, answers_of, packed
from models.segmentation.samples import Prompt, PromptKind

SIDE_PX = 200
Edges = tuple[float, float, float, float]


def filled(box: Edges) -> bytes:
    mask = np.zeros((SIDE_PX, SIDE_PX), dtype=np.bool_)
    left, top, right, bottom = (round(edge) for edge in box)
    mask[top:bottom, left:right] = True
    return packed(mask)


def truth(box: Edges, *answers: int, stuff: bool = False, crowd: bool = False) -> Truth:
    area_px = round((box[2] - box[0]) * (box[3] - box[1]))
    return Truth(box, filled(box), area_px, frozenset(answers), stuff, crowd)


def said(*found: tuple[int, float, Edges]) -> Answers:
    return answers_of((prompt, score, box, filled(box)) for prompt, score, box in found)


def asked(
    names: Sequence[str],
    truths: Sequence[Truth],
    answers: Answers,
    *,
    kind: PromptKind = PromptKind.NAME,
    verified: frozenset[int] | None = None,
) -> Asked:
    prompts = tuple(Prompt(kind, name) for name in names)
    judged = frozenset(range(len(names))) if verified is None else verified
    return Asked(SIDE_PX, SIDE_PX, prompts, tuple(truths), answers, judged)
