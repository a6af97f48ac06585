"""A second look at the surest places of an image, by whoever sees crops as texts are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Final

import numpy as np
from jaxtyping import UInt8

from models.segmentation.prepared import Square
from models.segmentation.second_look import SecondLook, crops, joined, places
from services.kernel.sharing import TimeLimit
from services.kernel.vocabulary import PromptKind
from services.segmentation.domain.seen import Seen, SeenTwice
from services.segmentation.ports import ExemplarEncoder

SEEN_AT_ONCE: Final = 4
"""Crops that are seen between two looks at whether anybody still waits."""


class SecondLooks:
    """Has crops of the surest places seen, and joins what is said of them with what the detector saw.

    Args:
        encoder: Sees crops.
        look: How many, and how they are joined.
        thresholds: The scores above which something counts as found then, by the kinds that differ.
        limit: When to give up.
    """

    def __init__(
        self,
        encoder: ExemplarEncoder,
        look: SecondLook,
        thresholds: Mapping[PromptKind, float],
        limit: TimeLimit,
    ) -> None:
        self.thresholds = thresholds
        self._encoder = encoder
        self._look = look
        self._limit = limit

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part."""
        return self._encoder.models()

    def __call__(
        self, seen: Seen, views: Sequence[Square], pixels: Callable[[], UInt8[np.ndarray, "h w 3"]]
    ) -> Seen:
        """Return what is seen in all views of an image, with what its crops say.

        Args:
            seen: By the detector, in each view.
            views: The squares.
            pixels: Opens the image; asked only if some place is sure enough.

        Raises:
            DeadlineExceeded, Unavailable: A model is not to be had.
        """
        boxes = np.concatenate(
            [view.to_image(own.astype(np.float64)) for view, own in zip(views, seen.boxes, strict=True)]
        )  # (views x q, 4)
        chosen = places(boxes, seen.objectness.reshape(-1), self._look)
        if not len(chosen):
            return seen
        squares = crops(pixels(), boxes[chosen], self._encoder.preparation())
        found = []
        for start in range(0, len(squares), SEEN_AT_ONCE):
            self._limit.check()
            found.append(self._encoder.encode(np.stack(squares[start : start + SEEN_AT_ONCE])))
        n, count, dim = seen.queries.shape
        queries, offsets = joined(
            seen.queries.reshape(n * count, dim),
            seen.offsets.reshape(-1),
            boxes,
            chosen,
            np.concatenate(found),
            look=self._look,
        )
        twice = {"queries": queries.reshape(n, count, dim), "offsets": offsets.reshape(n, count)}
        before = {field.name: getattr(seen, field.name) for field in fields(seen)}
        return SeenTwice(**{**before, **twice}, first_queries=seen.queries, first_offsets=seen.offsets)
