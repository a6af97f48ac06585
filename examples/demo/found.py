"""How well scenes were answered: in boxes that were found in words, and in the true ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from examples.demo.metrics import Share, share
from examples.demo.scenes import SceneAnswer, Thing
from fovea.client import Box, Region
from models.vision import masks

OVERLAP = 0.5
"""Intersection over union from which a box counts as that of a thing."""


@dataclass(frozen=True)
class Finding:
    """What many scenes add up to; n of each share is how often it could have been right.

    Attributes:
        scenes: How many.
        found: Things that a box was found for by their name.
        own: Things that were found, and were then named right: "own box".
        oracle: Things that were named right with their true outline given: "oracle box".
        told_apart: Phrases whose surest box is that of the one thing meant.
        imagined: Names of absent things that found something all the same.
        mask_iou: Mean intersection over union of the outlines of what was found; not a number without any.
        beside: Regions that names found where no thing is.
    """

    scenes: int
    found: Share
    own: Share
    oracle: Share
    told_apart: Share
    imagined: Share
    mask_iou: float
    beside: int


def finding(answers: Sequence[SceneAnswer]) -> Finding:
    """Count. A thing counts as found by the surest box of its name that overlaps it."""
    pairs = [(answer, place) for answer in answers for place in range(len(answer.scene.things))]
    matched = [match(answer, place) for answer, place in pairs]
    labels = [answer.scene.things[place].picture.label for answer, place in pairs]
    ious = [
        outline_iou(answer.scene.things[place], region)
        for (answer, place), region in zip(pairs, matched, strict=True)
        if region is not None
    ]
    return Finding(
        scenes=len(answers),
        found=share([region is not None for region in matched]),
        own=share([_says(region, label) for region, label in zip(matched, labels, strict=True)]),
        oracle=share([_says(pointed(*pair), label) for pair, label in zip(pairs, labels, strict=True)]),
        told_apart=share([hit for answer in answers for hit in _phrases(answer)]),
        imagined=share([bool(answer.regions_of(i)) for answer in answers for i in _absent(answer)]),
        mask_iou=float(np.mean(ious)) if ious else float("nan"),
        beside=sum(_is_beside(answer, region) for answer in answers for region in _by_name(answer)),
    )


def match(answer: SceneAnswer, place: int) -> Region | None:
    """Return the surest region that the name of a thing found where it is."""
    thing = answer.scene.things[place]
    regions = (region for region in _by_name(answer) if _asked(region) == thing.picture.label)
    return next((region for region in regions if overlap(region.box, thing.box) >= OVERLAP), None)


def pointed(answer: SceneAnswer, place: int) -> Region | None:
    """Return what was said of a thing whose true outline was given."""
    regions = answer.pointed.regions
    return regions[place] if place < len(regions) else None


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (_area(one) + _area(other) - shared)


def outline_iou(thing: Thing, region: Region) -> float:
    """Return the intersection over union of a true outline and the one found."""
    if region.mask is None:
        return 0.0
    height_px, width_px = thing.outline.shape
    found = masks.decode(region.mask.counts, width_px=width_px, height_px=height_px)
    return float((found & thing.outline).sum() / (found | thing.outline).sum())


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)


def _says(region: Region | None, label: str) -> bool:
    return region is not None and bool(region.labels) and region.labels[0].label == label


def _asked(region: Region) -> str:
    return region.found_by.prompt.text if region.found_by else ""


def _is_phrase(answer: SceneAnswer, prompt: int) -> bool:
    return answer.scene.prompts[prompt].kind == "phrase"


def _absent(answer: SceneAnswer) -> Iterator[int]:
    return (i for i, places in enumerate(answer.scene.answers) if not places)


def _phrases(answer: SceneAnswer) -> Iterator[bool]:
    for i, places in enumerate(answer.scene.answers):
        if _is_phrase(answer, i):
            best = answer.regions_of(i)[:1]
            boxes = [answer.scene.things[place].box for place in places]
            yield any(overlap(region.box, box) >= OVERLAP for region in best for box in boxes)


def _by_name(answer: SceneAnswer) -> Iterator[Region]:
    return (each for each in answer.found.regions if each.found_by and each.found_by.prompt.kind == "name")


def _is_beside(answer: SceneAnswer, region: Region) -> bool:
    return all(overlap(region.box, thing.box) < OVERLAP for thing in answer.scene.things)
