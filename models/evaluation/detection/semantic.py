"""How well each pixel is named: mIoU."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

VOID: Final = -1
"""A pixel of which nobody knows what it shows: not judged."""


@dataclass(frozen=True)
class NamedPixels:
    """Pixels of one scene that one name has, was given, and both."""

    scene: int
    name: str
    true: int
    said: int
    both: int


def named_pixels(
    scene: int, names: Sequence[str], truth: Int[np.ndarray, "h w"], said: Int[np.ndarray, "h w"]
) -> list[NamedPixels]:
    """Count the pixels of each name in one scene.

    Args:
        scene: Its number.
        names: What was asked.
        truth: Index into `names` of each pixel, or VOID.
        said: Likewise; below 0: nothing that was asked.
    """
    known = truth != VOID
    true, given = truth[known], said[known]
    both = true[true == given]
    of_true, of_both, of_given = (
        np.bincount(values[values >= 0], minlength=len(names)) for values in (true, both, given)
    )
    return [
        NamedPixels(scene, name, int(of_true[place]), int(of_given[place]), int(of_both[place]))
        for place, name in enumerate(names)
    ]


def mean_iou(
    counted: Sequence[NamedPixels], weights: Float[np.ndarray, "scene"], names: Collection[str]
) -> float:
    """Return the mean over names of the intersection over the union of all scenes' pixels.

    Args:
        counted: All scenes.
        weights: How many times each scene counts.
        names: Which names; those that no pixel has count for nothing.

    Returns:
        Not a number if no pixel has any of the names.
    """
    chosen = [each for each in counted if each.name in names]
    _, group = np.unique([each.name for each in chosen], return_inverse=True)
    weight = np.array([weights[each.scene] for each in chosen])
    true, said, both = (
        (
            np.bincount(group, weight * np.array(values))
            for values in zip(*((each.true, each.said, each.both) for each in chosen), strict=True)
        )
        if chosen
        else (np.zeros(0),) * 3
    )
    there = true > 0
    if not there.any():
        return math.nan
    return float((both[there] / (true + said - both)[there]).mean())
