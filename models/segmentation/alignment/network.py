"""The head that scores each pair of region and text (APE, arXiv 2312.02153, section 3.2).

    logit(q, p) = (O_q · (W (p̂ / 2) + b_W)) / exp s + (p̂ · β + b0), held within ±50,000; p̂ = p / |p|

All that depends on the region can be brought to its side, once:

    logit(q, p) = p̂ · queries_q + offsets_q
    queries_q = Wᵀ O_q / (2 exp s) + β,  offsets_q = O_q · b_W / exp s + b0

so that new texts cost one product with what is kept of the picture.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

START_SCORE: Final = 0.01
START_LOGIT: Final = -math.log((1 - START_SCORE) / START_SCORE)
_LIMIT = 50_000.0
_SPREAD = 2.0


class Alignment(nn.Module):
    """Brings regions to where texts are; every pair begins with a score of 0.01.

    Args:
        width: Channels of a region.
        texts: Dimensions of a text.
    """

    def __init__(self, width: int, texts: int) -> None:
        super().__init__()
        self.text = nn.Linear(texts, width)
        # A unit vector's elements are small: torch's own start would let the scores hardly differ.
        nn.init.normal_(self.text.weight, std=_SPREAD / math.sqrt(texts))
        nn.init.zeros_(self.text.bias)
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.text_shift = nn.Parameter(torch.zeros(texts))
        self.start = nn.Parameter(torch.tensor(START_LOGIT))

    def forward(
        self, regions: Float[Tensor, "b q width"]
    ) -> tuple[Float[Tensor, "b q texts"], Float[Tensor, "b q"]]:
        """Return `queries` and `offsets`, which `score` takes."""
        scaled = regions * torch.exp(-self.log_scale)
        queries = scaled @ self.text.weight / 2 + self.text_shift
        return queries, scaled @ self.text.bias + self.start


class Scores(nn.Module):
    """The second graph: texts against what is kept of a picture."""

    def forward(
        self,
        queries: Float[Tensor, "b q texts"],
        offsets: Float[Tensor, "b q"],
        texts: Float[Tensor, "b t texts"],
    ) -> Float[Tensor, "b q t"]:
        """Return logits of texts of length 1; see `score`. One of zeros has the offset alone."""
        return _logits(queries @ texts.transpose(-1, -2), offsets)


def score(
    queries: Float[Tensor, "b q texts"],
    offsets: Float[Tensor, "b q"],
    texts: Float[Tensor, "b t texts"],
) -> Float[Tensor, "b q t"]:
    """Return the logit of each region and text.

    Args:
        queries: What `Alignment` made of the regions.
        offsets: Likewise.
        texts: Of any length; one of zeros has the offset alone.
    """
    lengths = torch.linalg.vector_norm(texts, dim=-1).clamp(min=1e-12)
    return _logits(queries @ texts.transpose(-1, -2) / lengths[..., None, :], offsets)


def _logits(products: Tensor, offsets: Tensor) -> Tensor:
    return (products + offsets[..., None]).clamp(-_LIMIT, _LIMIT)
