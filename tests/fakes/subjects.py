"""Somebody who sees what the labels say, without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from models.data.manifest import Manifest, Row
from models.evaluation.subjects import Views

DIM = 64


class LabelSubject:
    """Sees each picture as a random direction that its text alone decides: equal texts, equal embeddings.

    Args:
        title: How tables call it.
        text: Of a row; by default its label, so that it is never wrong.
        knows_names: Whether it also reads.
    """

    def __init__(
        self,
        title: str = "oracle",
        text: Callable[[Row], str] = lambda row: row.label,
        *,
        knows_names: bool = True,
    ) -> None:
        self.title = title
        self._text = text
        self._knows_names = knows_names

    def see(self, pictures: Manifest) -> Views:
        """Return the directions of the rows' texts."""
        seen = np.stack([direction(self._text(row)) for row in pictures.rows])
        return Views(seen, seen if self._knows_names else None)

    def read(self, names: Sequence[str]) -> np.ndarray | None:
        """Return the directions of the names."""
        return np.stack([direction(name) for name in names]) if self._knows_names else None


def direction(text: str) -> np.ndarray:
    """Return a unit vector that a text decides; its numbers are eighths, so that cosines are exact."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return np.asarray(np.random.default_rng(seed).choice([-0.125, 0.125], size=DIM))
