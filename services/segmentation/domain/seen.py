"""What a detector saw in squares, before anybody asked it for anything."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from models.vision.tiles import Grid


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen in a few squares; of each square, `q` places that may be something.

    Attributes:
        queries: What is at each place: a text's logit is its unit vector times this, plus the offset.
        offsets: See `queries`.
        boxes: Left, top, right, bottom as shares of the square.
        objectness: Logit of each place being a thing at all; 0 where a detector does not say.
        mask_queries: Times `mask_features`, the logits of each place's mask; no channels: there are no masks.
        mask_features: On a coarse grid over the square.
        texts: The texts that were fused with the squares, as they are to be scored; else nothing of worth.
        relations: What is added to their logits at each place; nothing where none were fused.
    """

    queries: Float32[np.ndarray, "n q dim"]
    offsets: Float32[np.ndarray, "n q"]
    boxes: Float32[np.ndarray, "n q 4"]
    objectness: Float32[np.ndarray, "n q"]
    mask_queries: Float32[np.ndarray, "n q c"]
    mask_features: Float32[np.ndarray, "n c h w"]
    texts: Float32[np.ndarray, "n t dim"]
    relations: Float32[np.ndarray, "n q t"]

    @property
    def size_bytes(self) -> int:
        """What it takes to keep it."""
        return sum(int(getattr(self, field.name).nbytes) for field in fields(self))


@dataclass(frozen=True, eq=False)
class SeenTwice(Seen):
    """What was seen after a second look.

    Attributes:
        first_queries: What `queries` were before it.
        first_offsets: Likewise.
    """

    first_queries: Float32[np.ndarray, "n q dim"]
    first_offsets: Float32[np.ndarray, "n q"]

    def at_first(self) -> Seen:
        """Return what was seen before the second look."""
        return replace(self, queries=self.first_queries, offsets=self.first_offsets)


class SeenKey(NamedTuple):
    """What is seen depends on this alone: not on what is asked."""

    image_digest: str
    size_px: tuple[int, int]
    grid: Grid
    models: tuple[str, ...]


def joined(parts: list[Seen]) -> Seen:
    """Return what was seen in several batches of squares as one."""
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(Seen)]
    return Seen(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
