"""ConSE: from class logits to the space of names, with no pair of picture and text to learn from.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings",
arXiv 1312.5650, equation 2; the centring is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

TOP_CLASSES = 20
TEMPERATURE = 1.5


class Bridge(nn.Module):
    """Says where a picture would stand among names, from the classes it looks like."""

    class_embeddings: Tensor

    def __init__(self, class_embeddings: Tensor) -> None:
        """Take the centred embedding of each class's names, (classes, dim)."""
        super().__init__()
        self.register_buffer("class_embeddings", class_embeddings, persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """Return unit-norm embeddings (n, dim) of logits (n, classes)."""
        best, classes = torch.topk((logits / TEMPERATURE).softmax(-1), TOP_CLASSES)
        # A sum over rows, not a matrix product: its rounding does not depend on the batch.
        mean = (best[:, :, None] * self.class_embeddings[classes]).sum(1)  # (n, dim)
        return mean / mean.pow(2).sum(-1, keepdim=True).sqrt().clamp(min=1e-12)
