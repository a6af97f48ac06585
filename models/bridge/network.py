"""ConSE: from class logits to the space of names, with no pair of picture and text to learn from.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings",
arXiv 1312.5650, equation 2; the centring is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

TOP_CLASSES = 20
TEMPERATURE = 1.5
STANDARDISED_SHARE = 1.5
"""Makes both parts of about one length on drawings."""


class Bridge(nn.Module):
    """Says where a picture would stand among names, from the classes it looks like."""

    class_embeddings: Tensor

    def __init__(self, class_embeddings: Tensor) -> None:
        """Take the centred embedding of each class's names, (classes, dim)."""
        super().__init__()
        self.register_buffer("class_embeddings", class_embeddings, persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """Return unit-norm embeddings (n, dim) of logits (n, classes)."""
        mean = self.mean(logits)
        return mean / mean.pow(2).sum(-1, keepdim=True).sqrt().clamp(min=1e-12)

    def mean(self, logits: Tensor) -> Tensor:
        """Return the same before it is brought to length 1: the longer, the surer the classifier is."""
        best, classes = torch.topk((logits / TEMPERATURE).softmax(-1), TOP_CLASSES)
        # A sum over rows, not a matrix product: its rounding does not depend on the batch.
        return (best[:, :, None] * self.class_embeddings[classes]).sum(1)  # (n, dim)


class StandardisedBridge(Bridge):
    """The same for drawings too, which look like a few classes whatever they show.

    Beside the logits as they are, for photographs, it reads them with a scale of their own for each class,
    for drawings. There one temperature suits all, and every class may speak.
    """

    offset: Tensor
    spread: Tensor

    def __init__(self, class_embeddings: Tensor, offset: Tensor, spread: Tensor) -> None:
        """Take centred embeddings (classes, dim), and mean and deviation of each class's logits (classes)."""
        super().__init__(class_embeddings)
        self.register_buffer("offset", offset, persistent=False)
        self.register_buffer("spread", spread, persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """Return embeddings (n, dim) of logits (n, classes), the shorter the less sure."""
        weights = ((logits - self.offset) / self.spread).softmax(-1)
        return self.mean(logits) + STANDARDISED_SHARE * self._sum(weights)

    def mean(self, logits: Tensor) -> Tensor:
        """Return what `Bridge` does, by arithmetic whose rounding never depends on the batch."""
        likely = (logits / TEMPERATURE).softmax(-1)
        least = likely.topk(TOP_CLASSES).values[:, -1:]
        return self._sum(torch.where(likely < least, 0.0, likely))

    def _sum(self, weights: Tensor) -> Tensor:
        """Return the sum of all classes' embeddings, weighted, by a 1x1 convolution."""
        kernel = self.class_embeddings.T[:, :, None, None]  # (dim, classes, 1, 1)
        return functional.conv2d(weights[:, :, None, None], kernel).flatten(1)
