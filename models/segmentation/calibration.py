"""How good answers to development scenes are, and from which score on an answer is given.

A threshold is chosen so that few of the prompts that nothing answers get an answer at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32

from models.segmentation.crowds.boxes import spared
from models.segmentation.outputs import select, sigmoid
from models.segmentation.samples import PromptKind

FIRING: Final = 0.04
"""Share of absent prompts that may get an answer on development scenes: below the promised 0.05, for other
scenes are never quite the same."""
_HIT: Final = 0.5


@dataclass(frozen=True, eq=False)
class Asked:
    """What a detector found in one scene, for all its prompts, and the truth.

    Attributes:
        kinds: Of the prompts.
        boxes: Left, top, right, bottom as shares of the square.
        logits: Of queries and prompts.
        truth: Boxes of the things.
        answers: Which prompts are true of which thing.
        overlaps: Intersection over union of each query's mask with each thing's, on the detector's cells.
        crowds: Boxes where things stand that nobody told apart.
        crowd_answers: Which prompts are true of what stands in which crowd.
    """

    kinds: tuple[PromptKind, ...]
    boxes: Float32[np.ndarray, "q 4"]
    logits: Float32[np.ndarray, "q t"]
    truth: Float32[np.ndarray, "m 4"]
    answers: Bool[np.ndarray, "m t"]
    overlaps: Float32[np.ndarray, "q m"]
    crowds: Float32[np.ndarray, "c 4"]
    crowd_answers: Bool[np.ndarray, "c t"]

    def absent(self) -> Bool[np.ndarray, "t"]:
        """Return which prompts nothing answers, not even in a crowd."""
        answered = np.concatenate([self.answers, self.crowd_answers])
        return np.asarray(~answered.any(0))


@dataclass(frozen=True)
class Measures:
    """How good the answers are.

    Attributes:
        precision: Average precision at an intersection over union of 0.5, over all pairs of scene and prompt.
        first: Share of present prompts whose best box hits a thing that is asked for.
        mask: Mean intersection over union of the best answer's mask with a thing that is asked for.
        present: Share of present prompts that are answered above the threshold.
        fired: Share of absent prompts that are answered above it.
        prompts: How many present prompts there are.
    """

    precision: float
    first: float
    mask: float
    present: float
    fired: float
    prompts: int


def thresholds(sets: Mapping[str, Sequence[Asked]], firing: float = FIRING) -> dict[PromptKind, float]:
    """Return, for each kind that absent prompts were asked in, a score that `firing` of them exceed at most.

    Sets of scenes differ in how easily something is taken for what is not there. What is asked for is known,
    what will be in the picture is not: the threshold is that of the set that needs the highest.
    """
    chosen: dict[PromptKind, float] = {}
    for scenes in sets.values():
        for kind, logits in _absent(scenes).items():
            least = _score(float(np.quantile(np.array(logits), 1 - firing)))
            chosen[kind] = max(chosen.get(kind, 0.0), least)
    return chosen


def measured(scenes: Sequence[Asked], kind: PromptKind, threshold: float) -> Measures:
    """Return how good the answers to prompts of one kind are."""
    answered = []
    first: list[bool] = []
    masks: list[float] = []
    present: list[bool] = []
    fired: list[bool] = []
    things = 0
    for scene in scenes:
        iou = overlap(scene.boxes, scene.truth)
        for prompt in _of(scene, kind):
            asked_for = scene.answers[:, prompt]
            things += int(asked_for.sum())
            answered += _answers(scene, prompt, iou)
            best = int(scene.logits[:, prompt].argmax())
            is_answered = _score(float(scene.logits[best, prompt])) > threshold
            if scene.absent()[prompt]:
                fired.append(is_answered)
            if asked_for.any():
                present.append(is_answered)
                first.append(bool(iou[best, asked_for].max() >= _HIT))
                masks.append(float(scene.overlaps[best, asked_for].max()))
    return Measures(
        precision=average_precision(answered, things),
        first=_mean(first),
        mask=_mean(masks),
        present=_mean(present),
        fired=_mean(fired),
        prompts=len(first),
    )


def average_precision(answered: Iterable[tuple[float, bool]], things: int) -> float:
    """Return the area below precision over recall, each precision being the best at that recall or more.

    Args:
        answered: Score of each answer, and whether it is right.
        things: That should have been found.
    """
    best_first = sorted(answered, key=lambda each: -each[0])
    if not best_first or not things:
        return 0.0
    right = np.cumsum([hit for _, hit in best_first])
    precision = right / np.arange(1, len(best_first) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    hits = np.array([hit for _, hit in best_first])
    return float(envelope[hits].sum() / things)


def overlap(boxes: Float[np.ndarray, "n 4"], others: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Return the intersection over union of each box with each of the others."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(np.maximum(each[:, 2:] - each[:, :2], 0), axis=-1) for each in (boxes, others)]
    union: np.ndarray = areas[0][:, None] + areas[1][None] - common
    shares: np.ndarray = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares


def _absent(scenes: Sequence[Asked]) -> dict[PromptKind, list[float]]:
    """Return the best logit of each prompt that nothing answers."""
    found: dict[PromptKind, list[float]] = defaultdict(list)
    for scene in scenes:
        best = scene.logits.max(0)
        for prompt in np.flatnonzero(scene.absent()).tolist():
            found[scene.kinds[prompt]].append(float(best[prompt]))
    return found


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return float(np.mean(values)) if values else 0.0


def _score(logit: float) -> float:
    return float(sigmoid(np.array([logit], dtype=np.float32))[0])


def _of(scene: Asked, kind: PromptKind) -> list[int]:
    return [prompt for prompt, each in enumerate(scene.kinds) if each is kind]


def _answers(scene: Asked, prompt: int, iou: Float[np.ndarray, "q m"]) -> list[tuple[float, bool]]:
    """Return score and rightness of each answer to a prompt; nothing is found twice, crowds do not count."""
    logits = scene.logits[:, [prompt]]
    selection = select(scene.boxes, [logits], np.zeros(1))
    left = scene.answers[:, prompt].copy()
    ignored = spared(scene.boxes, scene.crowds, scene.crowd_answers[:, [prompt]])[:, 0]
    found = []
    for query, score in zip(selection.queries.tolist(), selection.scores.tolist(), strict=True):
        candidates = np.where(left, iou[query], 0)
        hit = bool(candidates.size) and float(candidates.max()) >= _HIT
        if hit:
            left[int(candidates.argmax())] = False
        if hit or not ignored[query]:
            found.append((score, hit))
    return found


def lines(scenes: Mapping[str, Sequence[Asked]], chosen: Mapping[PromptKind, float]) -> list[str]:
    """Return the measures of each set and kind of prompts, one line each."""
    found = []
    for name, asked in scenes.items():
        for kind in sorted({kind for scene in asked for kind in scene.kinds}):
            each = measured(asked, kind, chosen.get(kind, 0.5))
            found.append(
                f"{name} {kind}: AP50 {each.precision:.3f}, best box {each.first:.3f}, mask {each.mask:.3f}, "
                f"answered {each.present:.3f}, absent ones {each.fired:.3f}, n {each.prompts}"
            )
    return found
