"""The local encoder and the reader of regions as torch modules.

The trunk is EfficientNet-Lite0; its early stages say where and what colour, its late ones
what it is. They are brought to one grid of 8 pixels and mixed, as in feature pyramids (Lin et
al., arXiv 1612.03144). Regions are read as Ferret-v2 does (Zhang et al., arXiv 2404.07973):
from the map of the tiles and from that of the whole picture, through separate projections.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.network import unit
from models.vision.anyres.network import read
from models.vision.efficientnet.network import (
    PIXEL_OFFSET,
    PIXEL_SCALE,
    STAGES,
    EfficientNetLite0,
)
from models.vision.local_encoder.points import POINTS

STRIDE_PX = 8
CHANNELS = 128
"""Of the map; measured, see the model card."""
_UNSHUFFLED = 4 * STAGES[1].channels  # a stride of 4 laid into one of 8
_SOURCES = (
    3 * STRIDE_PX**2,
    _UNSHUFFLED,
    STAGES[2].channels,
    STAGES[4].channels,
    STAGES[6].channels,
)
_FROZEN_STAGES = 2
_READ = 128
_KEPT = 48
_HIDDEN = 512
_SIZES = 4


class LocalEncoder(nn.Module):
    """Tiles of bytes to a map of patches, one for each 8 x 8 pixels."""

    def __init__(self, trunk: EfficientNetLite0) -> None:
        super().__init__()
        self.stem = nn.ModuleList([trunk._conv_stem, trunk._bn0])  # noqa: SLF001  (its names are the package's)
        self.blocks = trunk._blocks  # noqa: SLF001
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, affine=False) for width in _SOURCES)
        self.laterals = nn.ModuleList(nn.Conv2d(width, CHANNELS, 1, bias=False) for width in _SOURCES)
        self.depthwise = nn.Conv2d(CHANNELS, CHANNELS, 5, padding=2, groups=CHANNELS)
        self.pointwise = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.output = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return patches (n, h / 8, w / 8, 128) of RGB bytes (n, h, w, 3)."""
        image = ((tiles.to(torch.float32) - PIXEL_OFFSET) / PIXEL_SCALE).permute(0, 3, 1, 2)
        mixed = torch.zeros(())
        sources = self.sources(image)
        for source, norm, lateral in zip(sources, self.norms, self.laterals, strict=True):
            brought = lateral(norm(source))
            enlarged = sources[0].shape[-1] // source.shape[-1]
            if enlarged > 1:
                brought = functional.interpolate(brought, scale_factor=float(enlarged), mode="bilinear")
            mixed = mixed + brought
        mixed = functional.relu(mixed)
        mixed = mixed + self.pointwise(functional.relu(self.depthwise(mixed)))
        return self.output(mixed).permute(0, 2, 3, 1)

    def sources(self, image: Tensor) -> list[Tensor]:
        """Return pixels and stages 1, 2, 4 and 6, those of finer stride laid into cells of 8 pixels."""
        found = [functional.pixel_unshuffle(image, STRIDE_PX)]
        convolution, norm = self.stem
        ends = tuple(accumulate(stage.blocks for stage in STAGES))
        with torch.set_grad_enabled(False):
            image = functional.relu6(norm(convolution(image)))
            for block in self.blocks[: ends[_FROZEN_STAGES - 1]]:
                image = block(image)
        found.append(functional.pixel_unshuffle(image, 2))
        for position, block in enumerate(
            self.blocks[ends[_FROZEN_STAGES - 1] :], start=ends[_FROZEN_STAGES - 1] + 1
        ):
            image = block(image)
            if position in (ends[2], ends[4], ends[6]):
                found.append(image)
        return found


class GridReader(nn.Module):
    """Regions of both maps to embeddings in the space of the encoder that taught it.

    A region is a grid of points; what stands at each point is kept apart from the others (so
    that where things are is not lost) and averaged as well.
    """

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.local = nn.Linear(CHANNELS, _READ)
        self.overview = nn.Linear(CHANNELS, _READ, bias=False)
        self.size = nn.Linear(_SIZES, _READ, bias=False)
        self.keep = nn.Linear(_READ, _KEPT)
        self.placed = nn.Linear(POINTS * _KEPT, _HIDDEN)
        self.mean = nn.Linear(_READ, _HIDDEN, bias=False)
        self.output = nn.Linear(_HIDDEN, dimensions)

    def forward(self, local: Tensor, overview: Tensor, points: Tensor) -> Tensor:
        """Return unit-norm embeddings (images, regions, dimensions).

        Args:
            local: Map of the merged tiles, (images, H, W, 128).
            overview: Map of the whole picture as one tile, (images, h, w, 128).
            points: x, y in 0..1 and whether inside, (images, regions, POINTS, 3).
        """
        inside = points[..., 2:]
        seen = self.local(read(local, points[..., :2])) + self.overview(read(overview, points[..., :2]))
        seen = functional.relu(seen + self.size(_sizes(local, overview, points))[..., None, :]) * inside
        mean = seen.sum(-2) / inside.sum(-2).clamp(min=1.0)
        kept = (functional.relu(self.keep(seen)) * inside).flatten(-2)
        hidden = functional.gelu(self.placed(kept) + self.mean(mean))
        return unit(self.output(hidden))


def _sizes(local: Tensor, overview: Tensor, points: Tensor) -> Tensor:
    """Return how many cells wide and high a region is in each map, as logarithms, (b, r, 4)."""
    extent = (points[..., -1, :2] - points[..., 0, :2]).clamp(min=0.0)  # (b, r, 2), of the outermost points
    cells = [extent * torch.tensor([each.shape[2], each.shape[1]]) for each in (local, overview)]
    return torch.log(torch.cat(cells, -1) + 0.1)
