"""Gated bi-directional attention between a picture and sentences (APE, arXiv 2312.02153, section 3.2).

The layer is that of GLIP (arXiv 2112.03857). What APE adds is the gate: names are not shown to the
picture at all. One token of zeros stands for them, so that what is computed from the picture does not
depend on the vocabulary and may be kept.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

_LIMIT = 50_000.0
_RESIDUAL = 1 / 6


class Fusion(nn.Module):
    """Cells of the picture look at the sentences, and sentences at the cells, at once.

    A row of zeros among the sentences is no sentence: beside others it is padding, which nothing looks at,
    and alone it is the token that stands for names. Either way it leaves as it came, bit by bit.

    Args:
        width: Channels of the picture.
        texts: Dimensions of a sentence's vector.
        joint: Width in which both meet.
        heads: Divides the joint width.
    """

    def __init__(self, width: int, texts: int, *, joint: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.image_norm = nn.LayerNorm(width)
        self.text_norm = nn.LayerNorm(texts)
        self.image_query = nn.Linear(width, joint)
        self.text_key = nn.Linear(texts, joint)
        self.image_value = nn.Linear(width, joint)
        self.text_value = nn.Linear(texts, joint)
        self.image_output = nn.Linear(joint, width)
        self.text_output = nn.Linear(joint, texts)
        for layer in self.children():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.image_scale = nn.Parameter(torch.full((width,), _RESIDUAL))
        self.text_scale = nn.Parameter(torch.full((texts,), _RESIDUAL))

    def forward(
        self,
        image: Float[Tensor, "b cells width"],
        sentences: Float[Tensor, "b s texts"],
    ) -> tuple[Float[Tensor, "b cells width"], Float[Tensor, "b s texts"]]:
        """Return both as they changed each other."""
        cells, tokens = self.image_norm(image), self.text_norm(sentences)
        of_texts, of_cells = self._weights(cells, tokens, given(sentences))
        told = _joined(of_texts @ self._split(self.text_value(tokens)))
        shown = _joined(of_cells @ self._split(self.image_value(cells)))
        changed = sentences + self.text_scale * self.text_output(shown)
        return (
            image + self.image_scale * self.image_output(told),
            torch.where(given(sentences)[..., None], changed, sentences),
        )

    def attention(
        self,
        image: Float[Tensor, "b cells width"],
        sentences: Float[Tensor, "b s texts"],
    ) -> tuple[Float[Tensor, "b heads cells s"], Float[Tensor, "b heads s cells"]]:
        """Return how much each cell looks at each sentence, and each sentence at each cell."""
        return self._weights(self.image_norm(image), self.text_norm(sentences), given(sentences))

    def _weights(self, cells: Tensor, tokens: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        query, key = self._split(self.image_query(cells)), self._split(self.text_key(tokens))
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (b, heads, cells, s)
        # The largest of each picture, not of the batch: a picture's result shall not depend on its company.
        logits = (logits - logits.amax((1, 2, 3), keepdim=True)).clamp(-_LIMIT, _LIMIT)
        looked_at = there | ~there.any(-1, keepdim=True)  # the token of names is, where there is nothing else
        hidden = ~looked_at[:, None, None]
        return logits.masked_fill(hidden, -math.inf).softmax(-1), logits.transpose(-1, -2).softmax(-1)

    def _split(self, rows: Tensor) -> Tensor:
        """Return (b, heads, n, joint / heads)."""
        return rows.unflatten(-1, (self._heads, -1)).transpose(1, 2)


def given(sentences: Float[Tensor, "b s texts"]) -> Bool[Tensor, "b s"]:
    """Return which rows are sentences, not rows of zeros."""
    return (sentences != 0).any(-1)


def _joined(rows: Tensor) -> Tensor:
    """Return (b, n, joint) of (b, heads, n, joint / heads)."""
    return rows.transpose(1, 2).flatten(2)
