"""Masks of what was found: kept in cells, drawn in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from models.segmentation.pixels import mask, mask_logits, reach
from models.segmentation.prepared import Square
from services.kernel.vocabulary import ImageReference, Mask
from services.segmentation.domain.finding import Hit
from services.segmentation.domain.seen import Seen
from services.segmentation.domain.shapes import placed
from services.segmentation.ports import Masker
from services.segmentation.usecases.look import Picture

MASKED_AT_ONCE: Final = 16
"""Boxes that are masked between two looks at whether anybody still waits."""


class Outline(NamedTuple):
    """A mask in cells of a square."""

    logits: Float32[np.ndarray, "cells cells"]
    square: Square


class Outlines:
    """The masks of what was found so far, so that nothing else of a pass need be kept.

    Args:
        views: The squares of the image.
    """

    def __init__(self, views: Sequence[Square]) -> None:
        self._views = views
        self._kept: dict[tuple[int, int, int], Outline] = {}

    def keep(self, hits: Sequence[Hit], seen: Seen, *, turn: int) -> None:
        """Keep the masks of these hits alone, of which those of this pass are new."""
        wanted = {_place(hit) for hit in hits}
        self._kept = {place: outline for place, outline in self._kept.items() if place in wanted}
        if not seen.mask_queries.shape[2]:
            return
        for place in sorted(wanted):
            number, view, query = place
            if number == turn:
                (logits,) = mask_logits(seen.mask_queries[view, query][np.newaxis], seen.mask_features[view])
                self._kept[place] = Outline(logits, self._views[view])

    def of(self, hits: Sequence[Hit]) -> Iterator[Outline | None]:
        """Give the mask of each hit; None if the detector makes none."""
        return (self._kept.get(_place(hit)) for hit in hits)


def masked(masker: Masker, picture: Picture, hits: Sequence[Hit]) -> Iterator[Outline]:
    """Give the masks that another model makes of the boxes; it sees the whole picture once, if at all."""
    if not hits:
        return
    with picture.pace.turns.turn():
        seen = masker.see(picture.pixels())
    for start in range(0, len(hits), MASKED_AT_ONCE):
        picture.pace.limit.check()
        boxes = np.array([hit.box for hit in hits[start : start + MASKED_AT_ONCE]])  # (box, 4)
        for logits in masker.masks(seen, boxes):
            yield Outline(logits, seen.square)


def drawn(image: ImageReference, hit: Hit, outline: Outline) -> Mask | None:
    """Return which pixels show what was found; None where none is sure, and the whole box counts."""
    window = reach(np.array(hit.box), outline.square, outline.logits.shape[1])
    inside = mask(outline.logits, outline.square, window)
    if not inside.any():
        return None
    return Mask(image.height_px, image.width_px, placed(inside, window.left, window.top, image))


def _place(hit: Hit) -> tuple[int, int, int]:
    return hit.turn, hit.view, hit.query
