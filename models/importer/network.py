"""Towers around transformers' modules: what the platform sends in, unit-norm rows out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.importer.preprocessing import Preprocessing
from models.network import unit


class ImageTower(nn.Module):
    """Crops of bytes to unit-norm embeddings.

    Args:
        encoder: From normalised pixels to something with a `pooler_output`.
        projection: Into the space that is shared with texts; nothing where there is none.
        preprocessing: What is done to the pixels of a crop.
        named: Whether texts lie in the same space. The vectors are then given twice: as looks, and for
            comparing with names, because the two kinds of similarity are spread otherwise.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, encoder: nn.Module, projection: nn.Module, preprocessing: Preprocessing, *, named: bool
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection
        self.named = named
        mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
        self.register_buffer("scale", preprocessing.rescale / std, persistent=False)
        self.register_buffer("shift", mean / std, persistent=False)

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Return embeddings (n, dim), once or twice.

        Args:
            crops: RGB bytes, shape (n, size, size, 3).
        """
        pixels = (crops.to(torch.float32) * self.scale - self.shift).permute(0, 3, 1, 2)
        found = unit(self.projection(self.encoder(pixel_values=pixels).pooler_output))
        # Copied, or the graph would have one output under two names.
        return (found, found.clone()) if self.named else (found,)


class TextTower(nn.Module):
    """Tokens to unit-norm embeddings.

    Args:
        encoder: From tokens to something with a `pooler_output`.
        projection: Into the shared space.
        masked: Whether padding is hidden from the encoder; SigLIP was trained to see it.
    """

    def __init__(self, encoder: nn.Module, projection: nn.Module, *, masked: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection
        self.masked = masked

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Return embeddings (n, dim).

        Args:
            input_ids: (n, token).
            attention_mask: (n, token), 1 for a token and 0 for padding.
        """
        mask = attention_mask if self.masked else None
        return (unit(self.projection(self.encoder(input_ids=input_ids, attention_mask=mask).pooler_output)),)
