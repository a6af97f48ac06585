"""What torch modules share."""

from __future__ import annotations

from torch import Tensor


def unit(vectors: Tensor) -> Tensor:
    """Return rows of length 1; a row of zeros stays zero."""
    return vectors / vectors.pow(2).sum(-1, keepdim=True).sqrt().clamp(min=1e-12)
