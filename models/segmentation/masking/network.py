"""The mask head (APE, arXiv 2312.02153; the product is that of MaskFormer, arXiv 2107.06278)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.segmentation.pyramid.network import centres, enlarged, waves


class MaskHead(nn.Module):
    """Makes a vector of each pixel of the finest map and one of each query; a mask is their product.

    Pixels are told where they are, so that two like things are told apart by where they stand. They are
    not mixed with their neighbours here: the trunk has done so, and on the finest map it costs most.

    Args:
        fine: Channels of the trunk's finest map.
        width: Channels of queries and of the map above it.
        masks: Channels of the vectors.
        side: Cells along the side of the map above the finest.
    """

    positions: Tensor

    def __init__(self, fine: int, width: int, *, masks: int, side: int) -> None:
        super().__init__()
        self.lateral = nn.Conv2d(fine, masks, 1)
        self.bring = nn.Conv2d(width, masks, 1)
        self.output = nn.Conv2d(masks, masks, 1)
        self.place = nn.Conv2d(width, width, 1)
        self.hidden = nn.Linear(width, width)
        self.query = nn.Linear(width, masks)
        positions = waves(centres(side), width).T.reshape(1, width, side, side)
        self.register_buffer("positions", positions.contiguous(), persistent=False)

    def forward(
        self,
        fine: Float[Tensor, "b _fine h w"],
        above: Float[Tensor, "b width _h _w"],
        queries: Float[Tensor, "b q width"],
    ) -> tuple[Float[Tensor, "b q masks"], Float[Tensor, "b masks h w"]]:
        """Return mask queries and mask features."""
        brought = self.bring(above + self.place(self.positions))
        features = self.output(torch.relu(self.lateral(fine) + enlarged(brought, fine)))
        return self.query(torch.relu(self.hidden(queries))), features


def mask_logits(
    queries: Float[Tensor, "*b q masks"], features: Float[Tensor, "*b masks h w"]
) -> Float[Tensor, "*b q h w"]:
    """Return the logit of each pixel for each query."""
    return (queries @ features.flatten(-2)).unflatten(-1, features.shape[-2:])
