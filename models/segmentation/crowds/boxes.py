"""Which boxes lie in a crowd, as COCO decides it: by the share of the box, not of the crowd."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

INSIDE: Final = 0.5
"""Share of a box that has to lie in a crowd's box: COCO's least overlap of a hit."""


def spared(
    boxes: Float[np.ndarray, "n 4"], crowds: Float[np.ndarray, "c 4"], answers: Bool[np.ndarray, "c t"]
) -> Bool[np.ndarray, "n t"]:
    """Return which boxes lie where things stand that answer a prompt and were not told apart.

    Args:
        boxes: Left, top, right, bottom.
        crowds: Likewise.
        answers: Which prompts are true of what stands in each crowd.
    """
    low = np.maximum(boxes[:, None, :2], crowds[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], crowds[None, :, 2:])
    common = np.maximum(high - low, 0).prod(-1)  # (n, c)
    own = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(-1)
    within = (common >= INSIDE * own[:, None]) & (own[:, None] > 0)
    lying: Bool[np.ndarray, "n t"] = (within[:, :, None] & answers[None]).any(1)
    return lying
