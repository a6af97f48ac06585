"""MiniLM (BERT, 6 layers) as a torch module whose names are those of the packaged tensors.

Source: MiniLM (Wang et al., arXiv 2002.10957), trained on sentence pairs by the
sentence-transformers project; embeddings are mean-pooled over tokens and unit-norm.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.network import unit

LAYERS = 6
HEADS = 12
WIDTH = 384
INNER_WIDTH = 1536
VOCABULARY = 30_522
POSITIONS = 512
LAYER_NORM_EPSILON = 1e-12


def _norm() -> nn.LayerNorm:
    return nn.LayerNorm(WIDTH, eps=LAYER_NORM_EPSILON)


class Embeddings(nn.Module):
    """Token, place and segment, summed."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embeddings = nn.Embedding(POSITIONS, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = _norm()

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return (batch, token, width)."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        summed = self.word_embeddings(input_ids) + self.position_embeddings(places)
        normed: Tensor = self.LayerNorm(summed + self.token_type_embeddings.weight[0])
        return normed


class SelfAttention(nn.Module):
    """Every token looks at every token of its own text."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: Tensor, penalty: Tensor) -> Tensor:
        """Return (batch, token, width)."""
        query, key, value = (
            part(hidden).unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)  # (batch, head, token, 32)
            for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(WIDTH // HEADS) + penalty
        seen: Tensor = scores.softmax(-1) @ value
        return seen.transpose(1, 2).flatten(2)


class Output(nn.Module):
    """Back to the width of the residual stream, added and normed."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.dense = nn.Linear(channels_in, WIDTH)
        self.LayerNorm = _norm()

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        """Return (batch, token, width)."""
        normed: Tensor = self.LayerNorm(self.dense(inner) + residual)
        return normed


class Layer(nn.Module):
    """Attention, then a two-layer perceptron on each token."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(), "output": Output(WIDTH)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, INNER_WIDTH)})
        self.output = Output(INNER_WIDTH)

    def forward(self, hidden: Tensor, penalty: Tensor) -> Tensor:
        """Return (batch, token, width)."""
        seen = self.attention["output"](self.attention["self"](hidden, penalty), hidden)
        inner = functional.gelu(self.intermediate["dense"](seen))
        result: Tensor = self.output(inner, seen)
        return result


class MiniLM(nn.Module):
    """Texts to unit vectors: plain ones, and ones centred as the space of names wants them."""

    name_mean: Tensor

    def __init__(self, name_mean: Tensor) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})
        self.register_buffer("name_mean", name_mean, persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return centred and plain embeddings, each (batch, 384).

        Args:
            input_ids: (batch, token).
            attention_mask: (batch, token), 1 for a token and 0 for padding.
        """
        mask = attention_mask.to(torch.float32)
        penalty = (1 - mask)[:, None, None, :] * torch.finfo(torch.float32).min
        hidden = self.embeddings(input_ids)
        for layer in self.encoder["layer"].children():
            hidden = layer(hidden, penalty)
        summed = (hidden * mask[:, :, None]).sum(1)
        plain = unit(summed / mask.sum(1, keepdim=True).clamp(min=1))
        return unit(plain - self.name_mean), plain
