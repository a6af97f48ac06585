"""A mirrored sample: the picture, its truth, and every prompt that says left or right.

Source: APE (Shen et al., arXiv 2312.02153) exchanges the words when it flips what a phrase is about.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import numpy as np

from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.vision.boxes import Box

_OTHER: Final = {"left": "right", "right": "left"}
_SIDE: Final = re.compile(
    r"(?<![^\W_])(left|right)(?=(?:most|hand(?:ed)?|wards?|side)?(?![^\W_]))", re.IGNORECASE
)
"""The word, alone or before an ending that keeps its meaning; not in `bright`, `cleft` or `rightful`."""


def swapped(text: str) -> str:
    """Return a text with left and right exchanged and every other character as it was."""
    return _SIDE.sub(lambda found: _like(found[0], _OTHER[found[0].lower()]), text)


def mirrored(sample: Sample) -> Sample:
    """Return a sample seen in a mirror; what an exemplar shows stays as it is."""
    width_px = sample.image.shape[1]
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        prompts=tuple(_mirrored_prompt(prompt) for prompt in sample.prompts),
        things=tuple(_mirrored_thing(thing, width_px) for thing in sample.things),
        crowds=tuple(_mirrored_thing(thing, width_px) for thing in sample.crowds),
    )


def _mirrored_prompt(prompt: Prompt) -> Prompt:
    return prompt if prompt.kind is PromptKind.EXEMPLAR else replace(prompt, text=swapped(prompt.text))


def _mirrored_thing(thing: Thing, width_px: int) -> Thing:
    box = Box(width_px - thing.box.right, thing.box.top, width_px - thing.box.left, thing.box.bottom)
    return replace(thing, box=box, mask=np.ascontiguousarray(thing.mask[:, ::-1]))


def _like(old: str, new: str) -> str:
    """Return a word in the letters' case of the one that it stands for."""
    if old.isupper():
        return new.upper()
    return new.capitalize() if old[0].isupper() else new
