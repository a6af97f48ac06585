"""The words by which phrases tell things of one name apart."""

from __future__ import annotations

import re
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
_PATTERNS: Final = tuple(re.compile(rf"\b{cue}\b") for cue in CUES)


def said(text: str) -> Bool[np.ndarray, "cues"]:
    """Return which of `CUES` a text says, as whole words."""
    lower = text.lower()
    return np.array([pattern.search(lower) is not None for pattern in _PATTERNS])
