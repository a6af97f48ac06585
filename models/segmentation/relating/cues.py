"""The words by which phrases tell things of one name apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle
from typing import Final

import numpy as np
from jaxtyping import Bool

from models.segmentation.scenes.colours import COLOURS

_SIDES: Final = ("left", "right", "top", "bottom")
CUES: Final = (
    *COLOURS,
    *("biggest", "largest", "smallest"),
    *("on the left", "on the right", "in the upper half", "in the lower half", "in the middle"),
    *(f"at the {row} {column}" for row in ("top", "bottom") for column in ("left", "right")),
    *("leftmost", "rightmost", "topmost", "bottommost"),
    *(f"from the {side}" for side in _SIDES),
    *("first", "second", "third", "fourth", "fifth"),
    *("two", "three", "four", "five", "six"),
    *("not", "thing", "things"),
)
WORDINGS: Final = (
    "I want {}.",
    "Give me {}.",
    "Locate {}.",
    "Select {}, please.",
    "Look for {}.",
    "Highlight {}.",
    "Cut out {}.",
    "Segment {} for our catalogue.",
    "Is {} anywhere?",
    "Do you see {}?",
    "How large is {}?",
    "Which pixels belong to {}?",
    "Could you find {} in the photo?",
    "Could somebody check {}?",
    "Tell me where {} is.",
    "Let us see {}.",
    "We are interested in {} and nothing else.",
    "My question is about {}.",
    "It is {} that matters to us.",
    "Keep {} and drop the rest.",
    "Search the image for {} and tell me about it.",
    "Somewhere there should be {}.",
    "Hello, may I have {}?",
    "Show {}",
)
"""Ways to ask for something, none of them with a cue: besides those of the scenes, and unlike those that
evaluation asks in, so that what it measures is how far unheard ways are understood."""
_PATTERNS: Final = tuple(re.compile(rf"\b{cue}\b") for cue in CUES)


def reworded(phrases: Sequence[str]) -> list[str]:
    """Return each phrase in one of `WORDINGS`, one after the other."""
    return [wording.format(phrase) for phrase, wording in zip(phrases, cycle(WORDINGS), strict=False)]


def said(text: str) -> Bool[np.ndarray, "cues"]:
    """Return which of `CUES` a text says, as whole words."""
    lower = text.lower()
    return np.array([pattern.search(lower) is not None for pattern in _PATTERNS])
