"""A part of a sample, where its prompts stay true in a part of the picture.

Source: APE (Shen et al., arXiv 2312.02153) does not crop what a phrase with an ordinal is about: who cuts
off the first star of a row makes another the first. The same holds for words that compare a thing with
all others, or with the sides of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.vision.boxes import Box
from models.vision.masks import area, bounding_box

LEAST_SHARE: Final = 0.4
"""Of a thing that is cut: with less of it in the part, nobody could be asked to find it."""
_ORDINAL: Final = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|\d+(?:st|nd|rd|th))\b",
    re.IGNORECASE,
)
_COMPARED: Final = re.compile(
    r"\b(?:left|right|top|bottom|upper|lower|middle|centre|center|corner|edge|other|only|two|three|four|five|"
    r"(?:left|right|top|bottom|upper|lower)-?most|\w{2,}est)\b",
    re.IGNORECASE,
)


def has_ordinal(text: str) -> bool:
    """Whether a text counts along a row: "the third cup", "the 2nd", "the last one"."""
    return _ORDINAL.search(text) is not None


def may_crop(prompts: Iterable[Prompt]) -> bool:
    """Whether every prompt stays true, or false, in a part of the picture that holds its things."""
    said = (prompt for prompt in prompts if prompt.kind in {PromptKind.PHRASE, PromptKind.SENTENCE})
    return not any(has_ordinal(prompt.text) or _COMPARED.search(prompt.text) for prompt in said)


def cropped(sample: Sample, part: Box) -> Sample | None:
    """Return the sample in a part of its picture; None where the part would lie about it.

    Things outside are gone, and with them the answers to their prompts, which are absent then.

    Args:
        sample: What is cut.
        part: Within the picture.

    Returns:
        None if a prompt forbids it, no thing is left, or a thing is cut to less than `LEAST_SHARE`.
    """
    if not may_crop(sample.prompts):
        return None
    things, whole = _within(sample.things, part)
    crowds, whole_crowds = _within(sample.crowds, part)
    if not (things and whole and whole_crowds):
        return None
    image = np.ascontiguousarray(sample.image[part.rows, part.columns])
    return replace(sample, image=image, things=things, crowds=crowds)


def _within(things: Iterable[Thing], part: Box) -> tuple[tuple[Thing, ...], bool]:
    """Return what lies in a part, and whether as much of each is there as is needed to name it."""
    kept = []
    whole = True
    for thing in things:
        seen = thing.in_image(max(part.right, thing.box.right), max(part.bottom, thing.box.bottom))
        inside = seen[part.rows, part.columns]
        share = area(inside) / area(thing.mask)
        whole &= thing.stuff or share == 0 or share >= LEAST_SHARE
        if share > 0:
            box = bounding_box(inside)
            kept.append(replace(thing, box=box, mask=inside[box.rows, box.columns]))
    return tuple(kept), whole
