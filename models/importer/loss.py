"""What a smaller variant of a model loses, measured against the model itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32


@dataclass(frozen=True)
class Loss:
    """How far a variant is from what it was made of.

    Attributes:
        items: Pictures or texts that were compared.
        cosine: Mean between the two embeddings of an item.
        least_cosine: Of the item that changed most.
        kept: Share of items whose nearest other item is the same for both.
        before: Share of asked pictures whose nearest remembered one is the same thing, for the model.
        after: The same for the variant, with its own memory.
        asked: Pictures that were asked; 0: there were no pairs.
    """

    items: int
    cosine: float
    least_cosine: float
    kept: float
    before: float = 0.0
    after: float = 0.0
    asked: int = 0

    @property
    def words(self) -> str:
        """For people."""
        text = f"cosine {self.cosine:.4f} (least {self.least_cosine:.4f}), same neighbour {self.kept:.1%}"
        text += f", n = {self.items}"
        if self.asked:
            lost = (self.before - self.after) * 100
            text += (
                f"; top-1 {self.before:.1%} to {self.after:.1%} ({lost:+.1f} points lost, n = {self.asked})"
            )
        return text


def loss_of(model: Float32[np.ndarray, "n dim"], variant: Float32[np.ndarray, "n dim"]) -> Loss:
    """Compare the unit-norm embeddings of the same items."""
    cosines = (model * variant).sum(axis=1)
    kept = nearest_other(model) == nearest_other(variant)
    return Loss(len(model), float(cosines.mean()), float(cosines.min()), float(kept.mean()))


def top_1(remembered: Float32[np.ndarray, "n dim"], asked: Float32[np.ndarray, "n dim"]) -> float:
    """Return the share of asked rows whose nearest remembered row has their own place."""
    return float(((asked @ remembered.T).argmax(axis=1) == np.arange(len(asked))).mean())


def nearest_other(rows: Float32[np.ndarray, "n dim"]) -> np.ndarray:
    """Return for each row which other row is nearest."""
    similarity: Float[np.ndarray, "n n"] = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    return similarity.argmax(axis=1)
