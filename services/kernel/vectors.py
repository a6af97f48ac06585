"""Embeddings as encoders give them: a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from services.kernel.vocabulary import Embedding


@dataclass(frozen=True, eq=False)
class Vectors:
    """Embeddings of one batch in one space, a unit-norm row each, and the `name@digest` that made them."""

    rows: Float32[np.ndarray, "n dim"]
    encoder: str
    space: str

    def row(self, index: int) -> Embedding:
        """Return one embedding, in memory of its own so that it does not keep the batch alive."""
        return Embedding(self.rows[index].copy(), encoder=self.encoder, space=self.space)
