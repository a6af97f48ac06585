"""All phrases of a picture in one sample: one pass of the picture teaches all of them.

Source: image-centric grounding samples of APE (Shen et al., arXiv 2312.02153), which needs 92 times fewer
iterations so; at most 128 phrases, of which those that speak of the same place are thinned at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from models.segmentation.samples import PromptKind, Sample, Thing
from models.vision.boxes import Box

MOST_PHRASES: Final = 128
OVERLAP: Final = 0.6
_SAID: Final = frozenset({PromptKind.PHRASE, PromptKind.SENTENCE})


def thinned(
    boxes: Sequence[Box], rng: np.random.Generator, *, most: int = MOST_PHRASES, overlap: float = OVERLAP
) -> list[int]:
    """Return which boxes stay when, in a random order, each that overlaps one before it goes.

    Args:
        boxes: Of the phrases.
        rng: Draws the order.
        most: As many stay, at the most.
        overlap: Intersection over union above which two speak of the same place.

    Returns:
        Indices, rising.
    """
    kept: list[int] = []
    for index in rng.permutation(len(boxes)).tolist():
        if len(kept) == most:
            break
        if all(_iou(boxes[index], boxes[other]) <= overlap for other in kept):
            kept.append(index)
    return sorted(kept)


def packed(sample: Sample, rng: np.random.Generator, *, most: int = MOST_PHRASES) -> Sample:
    """Return a sample with as many phrases as a pass takes: thinned where they speak of the same place.

    A sample that has no more than `most` is returned as it is. Of too many, those that nothing answers, and
    names, are kept as far as they fit beside the phrases that are true of something.
    """
    if len(sample.prompts) <= most:
        return sample
    boxes = {
        index: _around(things)
        for index, things in _answering(sample).items()
        if sample.prompts[index].kind in _SAID
    }
    said = list(boxes)
    stay = [said[place] for place in thinned([boxes[index] for index in said], rng, most=most)]
    others = [index for index in range(len(sample.prompts)) if index not in boxes]
    stay += rng.permutation(others).tolist()[: most - len(stay)]
    return asked(sample, sorted(stay))


def asked(sample: Sample, prompts: Sequence[int]) -> Sample:
    """Return a sample that is asked only these of its prompts, in this order."""
    place = {old: new for new, old in enumerate(prompts)}

    def answering(thing: Thing) -> Thing:
        return replace(thing, answers=frozenset(place[old] for old in thing.answers if old in place))

    verified = sample.verified
    return replace(
        sample,
        prompts=tuple(sample.prompts[old] for old in prompts),
        things=tuple(answering(thing) for thing in sample.things),
        crowds=tuple(answering(thing) for thing in sample.crowds),
        verified=None if verified is None else frozenset(place[old] for old in verified if old in place),
    )


def _answering(sample: Sample) -> dict[int, list[Thing]]:
    found: dict[int, list[Thing]] = {}
    for thing in sample.things:
        for index in sorted(thing.answers):
            found.setdefault(index, []).append(thing)
    return found


def _around(things: Sequence[Thing]) -> Box:
    boxes = [thing.box for thing in things]
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )


def _iou(one: Box, other: Box) -> float:
    common = Box(
        max(one.left, other.left),
        max(one.top, other.top),
        min(one.right, other.right),
        min(one.bottom, other.bottom),
    )
    if common.left >= common.right or common.top >= common.bottom:
        return 0.0
    return common.area / (one.area + other.area - common.area)
