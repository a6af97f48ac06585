"""The truth of a scene and what a detector answered, small enough to keep: masks are run lengths."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from pycocotools import mask as coco

from models.segmentation.samples import Prompt, Sample


@dataclass(frozen=True)
class Truth:
    """One thing that is there, in pixels of the picture.

    Attributes:
        box: Left, top, right, bottom.
        mask: COCO's compressed run lengths.
        area_px: Of the mask.
        answers: The prompts it answers.
        stuff: Whether it is stuff.
        crowd: Whether it is several that nobody told apart: neither found nor missed.
    """

    box: tuple[float, float, float, float]
    mask: bytes
    area_px: int
    answers: frozenset[int]
    stuff: bool = False
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class Answers:
    """What a detector says of one scene, for all of its prompts.

    Attributes:
        prompts: Which prompt each detection answers.
        scores: In [0, 1].
        boxes: Left, top, right, bottom in pixels of the picture.
        masks: COCO's compressed run lengths.
        mask: Which of `masks` each detection has: one region may answer several prompts.
    """

    prompts: Int[np.ndarray, "n"]
    scores: Float[np.ndarray, "n"]
    boxes: Float[np.ndarray, "n 4"]
    masks: tuple[bytes, ...]
    mask: Int[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.scores)

    def best(self, prompt: int) -> int | None:
        """Return the detection that answers a prompt with the highest score; None if none does."""
        own = np.flatnonzero(self.prompts == prompt)
        return int(own[np.argmax(self.scores[own])]) if len(own) else None

    def above(self, thresholds: Float[np.ndarray, "prompt"]) -> Answers:
        """Return the detections that reach the threshold of their prompt."""
        return self.where(self.scores >= thresholds[self.prompts])

    def where(self, kept: Bool[np.ndarray, "n"]) -> Answers:
        """Return some of the detections."""
        return Answers(self.prompts[kept], self.scores[kept], self.boxes[kept], self.masks, self.mask[kept])


@dataclass(frozen=True, eq=False)
class Asked:
    """One scene: what was asked, what is true, what was answered.

    Attributes:
        width_px: Of the picture.
        height_px: Of the picture.
        prompts: What was asked.
        truths: What is there.
        answers: What was said.
        verified: The prompts that are known to be present or absent; others are not judged.
    """

    width_px: int
    height_px: int
    prompts: tuple[Prompt, ...]
    truths: tuple[Truth, ...]
    answers: Answers
    verified: frozenset[int]

    def present(self) -> dict[int, list[Truth]]:
        """Return what answers each verified prompt that something answers."""
        found: dict[int, list[Truth]] = {}
        for truth in self.truths:
            for prompt in sorted(truth.answers & self.verified):
                found.setdefault(prompt, []).append(truth)
        return found

    def absent(self) -> list[int]:
        """Return the verified prompts that nothing answers."""
        return sorted(self.verified - set(self.present()))

    def with_answers(self, answers: Answers) -> Asked:
        """Return the same scene with other answers."""
        return Asked(self.width_px, self.height_px, self.prompts, self.truths, answers, self.verified)


def packed(mask: Bool[np.ndarray, "h w"]) -> bytes:
    """Return a mask as COCO's compressed run lengths."""
    counts: bytes = coco.encode(np.asfortranarray(mask.view(np.uint8)))["counts"]
    return counts


def unpacked(counts: bytes, width_px: int, height_px: int) -> Bool[np.ndarray, "h w"]:
    """Return the mask of compressed run lengths."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0.11 speaks NumPy 1's protocol
        return np.asarray(coco.decode(run_lengths(counts, width_px, height_px)), dtype=np.bool_)


def run_lengths(counts: bytes, width_px: int, height_px: int) -> dict[str, Any]:
    """Return compressed run lengths as pycocotools takes them."""
    return {"size": [height_px, width_px], "counts": counts}


def box_iou(first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Return the intersection over the union of each pair of boxes."""
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    return np.asarray(coco.iou(_sides(first), _sides(second), [0] * len(second)))


def mask_iou(first: Sequence[bytes], second: Sequence[bytes], width_px: int, height_px: int) -> np.ndarray:
    """Return the intersection over the union of each pair of masks of one picture, shape (n, m)."""
    if not first or not second:
        return np.zeros((len(first), len(second)))
    ours, theirs = (
        [run_lengths(counts, width_px, height_px) for counts in masks] for masks in (first, second)
    )
    return np.asarray(coco.iou(ours, theirs, [0] * len(theirs)))


def truths_of(sample: Sample) -> tuple[Truth, ...]:
    """Return the truth of a sample."""
    height_px, width_px = sample.image.shape[:2]
    found = []
    for thing, crowd in (
        *((each, False) for each in sample.things),
        *((each, True) for each in sample.crowds),
    ):
        mask = thing.in_image(width_px, height_px)
        edges = (thing.box.left, thing.box.top, thing.box.right, thing.box.bottom)
        box = (float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3]))
        area_px = int(np.count_nonzero(mask))
        found.append(Truth(box, packed(mask), area_px, thing.answers, thing.stuff, crowd))
    return tuple(found)


def verified_of(sample: Sample) -> frozenset[int]:
    """Return which prompts of a sample may be judged."""
    return frozenset(range(len(sample.prompts))) if sample.verified is None else sample.verified


def answers_of(
    found: Iterable[tuple[int, float, tuple[float, float, float, float], bytes]],
) -> Answers:
    """Return detections given one by one: prompt, score, box and mask."""
    listed = list(found)
    return Answers(
        np.array([each[0] for each in listed], dtype=np.int64),
        np.array([each[1] for each in listed], dtype=np.float64),
        np.array([each[2] for each in listed], dtype=np.float64).reshape(-1, 4),
        tuple(each[3] for each in listed),
        np.arange(len(listed)),
    )


def _sides(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Return left, top, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
