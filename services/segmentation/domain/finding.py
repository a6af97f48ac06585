"""From a list of prompts to passes over the image, and from what each pass found to regions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

from models.segmentation.outputs import iou
from models.segmentation.prepared import Square
from models.vision.tiles import PAPER_GRIDS, WHOLE, Grid, select_grid
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import ImageReference, Prompt, PromptKind

FUSED_AT_ONCE: Final = 128
"""Phrases and sentences that are read together with the image in one pass."""
SCORED_AT_ONCE: Final = 2560
"""Prompts whose vectors and scores are in memory at a time, as APE has it."""
MOST_HITS: Final = 2 * LIMITS.regions_per_image + 1
"""Taken from each pass: some are parts of others, and one more says that there were more."""
_KIND_OF: Final = attrgetter("kind")
_INSIDE: Final = 0.7
"""Share of a box that was cut by its tile which another has to hold to be what it is a part of."""
_TOUCHING: Final = 1 / 64
"""Of a tile's side: a box that ends so near its edge was cut there."""


@dataclass(frozen=True)
class Plan:
    """Which prompts are asked together, by their places.

    Attributes:
        independent: The image is seen without them, and no answer depends on another: names and exemplars.
        fused: Read together with the image, a pass for each group: phrases and sentences.
    """

    independent: tuple[int, ...]
    fused: tuple[tuple[int, ...], ...]


def counted(prompts: Sequence[Prompt]) -> Counter[PromptKind]:
    """Return how many prompts there are of each kind."""
    return Counter(map(_KIND_OF, prompts))


def kinds(prompts: Sequence[Prompt]) -> frozenset[PromptKind]:
    """Return the kinds that there are; thousands of prompts cost next to nothing."""
    return frozenset(map(_KIND_OF, prompts))


def planned(prompts: Sequence[Prompt], together: frozenset[PromptKind]) -> Plan:
    """Return which prompts are asked together, each group in their order.

    Args:
        prompts: All of them.
        together: The kinds that are read together with the image.
    """
    if together.isdisjoint(kinds(prompts)):
        return Plan(tuple(range(len(prompts))), ())
    fused = [place for place, prompt in enumerate(prompts) if prompt.kind in together]
    alone = (place for place, prompt in enumerate(prompts) if prompt.kind not in together)
    groups = (tuple(fused[start : start + FUSED_AT_ONCE]) for start in range(0, len(fused), FUSED_AT_ONCE))
    return Plan(tuple(alone), tuple(groups))


@dataclass(frozen=True)
class Tiling:
    """When an image is looked at in tiles as well.

    Attributes:
        from_px: Of its longer side, where the caller does not say.
        most: Tiles at most; under 2: never.
    """

    from_px: int
    most: int

    def grid(self, image: ImageReference, *, tiles: bool | None, side_px: int) -> Grid:
        """Return the tiles of an image.

        Args:
            image: To be cut.
            tiles: What the caller says.
            side_px: Of a square.
        """
        longer = max(image.width_px, image.height_px)
        grids = [grid for grid in PAPER_GRIDS if 1 < grid.tiles <= self.most]
        if not grids or not (longer >= self.from_px if tiles is None else tiles):
            return WHOLE
        return select_grid(image.width_px, image.height_px, side_px=side_px, grids=grids)


def thresholds(
    prompts: Sequence[Prompt], calibrated: Mapping[PromptKind, float], *, asked: float | None
) -> Float64[np.ndarray, "t"]:
    """Return what each prompt's score has to exceed: what was asked for, else as its kind is calibrated."""
    if asked is not None:
        return np.full(len(prompts), asked)
    return np.array(list(map(calibrated.__getitem__, map(_KIND_OF, prompts))))


class Hit(NamedTuple):
    """A place that answers a prompt.

    Attributes:
        score: Probability.
        prompt: Its place among the prompts.
        turn: The pass.
        view: The square.
        query: The place in it.
        box: Left, top, right, bottom in pixels of the image.
    """

    score: float
    prompt: int
    turn: int
    view: int
    query: int
    box: tuple[float, float, float, float]


def best_first(hits: Sequence[Hit]) -> list[Hit]:
    """Return them by falling score; of equals, the earlier prompt, pass and place first."""
    return sorted(hits, key=lambda hit: (-hit.score, *hit[1:5]))


def whole_ones(hits: Sequence[Hit], views: Sequence[Square]) -> list[Hit]:
    """Return the hits without what a tile's edge cut off from a thing that another view shows more of.

    Such a piece overlaps the whole thing too little to be taken for a double of it. It goes if most of it
    lies in a larger box that answers the same prompt.
    """
    if len(views) == 1 or not hits:
        return list(hits)
    boxes = _boxes(hits)
    prompts = np.array([hit.prompt for hit in hits])
    cut = np.array([_is_cut(hit, views) for hit in hits])
    areas = _areas(boxes)
    within = _common(boxes) > _INSIDE * areas[:, None]  # (piece, whole)
    larger = areas[None, :] > areas[:, None]
    part = within & larger & (prompts[:, None] == prompts[None, :])
    return [hit for hit, goes in zip(hits, cut & part.any(axis=1), strict=True) if not goes]


def distinct(hits: Sequence[Hit], overlap: float) -> list[Hit]:
    """Return the hits, best first, without those that overlap a better one, whatever prompt either answers.

    Args:
        hits: Best first.
        overlap: Intersection over union above which the lesser goes.
    """
    if not hits:
        return []
    doubles: Bool[np.ndarray, "n n"] = iou(_boxes(hits)) > overlap
    kept: list[int] = []
    for place in range(len(hits)):
        if not doubles[place, kept].any():
            kept.append(place)
    return [hits[place] for place in kept]


def _is_cut(hit: Hit, views: Sequence[Square]) -> bool:
    """Return whether the box ends where its square does and the picture does not."""
    window, picture = views[hit.view].window, views[0].window
    slack = _TOUCHING * max(window.right - window.left, window.bottom - window.top)
    left, top, right, bottom = hit.box
    return (
        (left <= window.left + slack and window.left > picture.left)
        or (top <= window.top + slack and window.top > picture.top)
        or (right >= window.right - slack and window.right < picture.right)
        or (bottom >= window.bottom - slack and window.bottom < picture.bottom)
    )


def _boxes(hits: Sequence[Hit]) -> Float64[np.ndarray, "hit 4"]:
    return np.array([hit.box for hit in hits], dtype=np.float64)


def _areas(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n"]:
    sides: np.ndarray = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return sides


def _common(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n n"]:
    """Return the area that each box has in common with each."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])  # (n, n, 2)
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared: np.ndarray = np.maximum(high - low, 0).prod(axis=-1)
    return shared
