"""Fusion and region sampler as torch modules; `models/vision/{fusion,sampler}.py` say what they compute.

Needs torch; serving never imports it. What is trained here is exported by `export.py` beside it, and
`projector_weights` and `Sampler.weights` hand the same numbers to NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from models.vision import fusion, sampler
from models.vision.sampler import PUBLISHED, SamplerSettings

_AXES = 2  # x and y, which stand beside each feature


class Projector(nn.Sequential):
    """Two linear maps with the exact GELU between them, along the last axis."""

    def __init__(self, input_dim: int, dim: int) -> None:
        super().__init__(nn.Linear(input_dim, dim), nn.GELU(), nn.Linear(dim, dim))


class Fusion(nn.Module):
    """The map of the whole picture, brought to the size of the tiles' merged map, and that map: their sum.

    Args:
        global_projector: What the whole's features go through; anything that maps the last axis.
        local_projector: The same for the tiles' features.
    """

    def __init__(self, global_projector: nn.Module, local_projector: nn.Module) -> None:
        super().__init__()
        self.global_projector = global_projector
        self.local_projector = local_projector

    def forward(
        self,
        global_map: Float[Tensor, "*batch h w global_dim"],
        local_map: Float[Tensor, "*batch height width local_dim"],
        rows: Float[Tensor, "height h"],
        columns: Float[Tensor, "width w"],
    ) -> Float[Tensor, "*batch height width dim"]:
        """Return the fused map; rows and columns are those of `fusion.upsampling`."""
        small = self.global_projector(global_map)
        wide = torch.einsum("xw,...hwd->...hxd", columns, small)  # (*batch, h, width, dim)
        return torch.einsum("yh,...hxd->...yxd", rows, wide) + self.local_projector(local_map)

    def start_local_from_global(self) -> None:
        """Let the local projector begin as the global one is, as the second training stage asks.

        Raises:
            RuntimeError: If their weights differ in name or shape.
        """
        self.local_projector.load_state_dict(self.global_projector.state_dict(), strict=True)


class GatherStage(nn.Module):
    """One stage: each anchor gathers from the points near it.

    The published order subtracts the anchor from each neighbour, maps the difference, puts the anchor
    beside it and maps again. Both maps are linear, so here each point is mapped once and gathered then: the
    same numbers, with as many fewer products as there are neighbours.
    """

    def __init__(self, dim: int, pool: str) -> None:
        super().__init__()
        self.difference = nn.Linear(dim + _AXES, dim + _AXES)
        self.merge = nn.Linear(2 * (dim + _AXES), dim)
        self.norm = nn.LayerNorm(dim)
        self._pool = pool

    def forward(
        self,
        known: Float[Tensor, "r p known"],
        own: Float[Tensor, "r a known"],
        neighbours: Int64[Tensor, "r a k"],
    ) -> Float[Tensor, "r a dim"]:
        """Return what each anchor becomes.

        Args:
            known: Features and positions of all points.
            own: Those of the anchors.
            neighbours: As indices into the points.
        """
        left, right = self.merge.weight.chunk(2, dim=1)  # (dim, known) each
        seen = left @ self.difference.weight  # (dim, known)
        bias = left @ self.difference.bias + self.merge.bias
        anchored = functional.linear(own, right - seen, bias)  # (r, a, dim)
        gathered = _gathered(functional.linear(known, seen), neighbours)  # (r, a, k, dim)
        merged = self.norm(functional.relu(gathered + anchored[:, :, None]))
        return merged.amax(dim=2) if self._pool == "max" else merged.mean(dim=2)

    def weights(self) -> sampler.StageWeights:
        """Return the weights for NumPy."""
        return sampler.StageWeights(
            _linear(self.difference),
            _linear(self.merge),
            self.norm.weight.detach().cpu().numpy(),
            self.norm.bias.detach().cpu().numpy(),
        )


class Sampler(nn.Module):
    """One vector for each region, from features that were read at its points.

    Args:
        dim: Channels of the features.
        output_dim: Of the vector.
        settings: Those that the geometry is made with.
    """

    def __init__(self, dim: int, output_dim: int, settings: SamplerSettings = PUBLISHED) -> None:
        super().__init__()
        self.settings = settings
        self.stages = nn.ModuleList(GatherStage(dim, settings.pool) for _ in settings.stages)
        self.flatten = nn.Linear(settings.stages[-1].anchors * dim, dim)
        self.output = nn.Linear(dim, output_dim)

    def forward(
        self,
        features: Float[Tensor, "r p dim"],
        points: Float[Tensor, "r p 2"],
        indices: Sequence[Int64[Tensor, "r *_"]],
    ) -> Float[Tensor, "r out"]:
        """Return the vectors.

        Args:
            features: As `read` gives them.
            points: Where they were read.
            indices: `Geometry.indices`: anchors and neighbours of the first stage, then of the second.
        """
        for stage, anchors, neighbours in zip(self.stages, indices[::2], indices[1::2], strict=True):
            known = torch.cat((features, points), dim=-1)  # (r, p, dim + 2)
            features = stage(known, _gathered(known, anchors), neighbours)  # (r, a, dim)
            points = _gathered(points, anchors)
        return self.output(self.flatten(features.flatten(1)))

    def weights(self) -> sampler.SamplerWeights:
        """Return the weights for NumPy."""
        first, second = (stage.weights() for stage in self.stages)
        return sampler.SamplerWeights((first, second), _linear(self.flatten), _linear(self.output))


class RegionReader(nn.Module):
    """Any number of regions of one map: what a graph computes, whose inputs are flat."""

    def __init__(self, regions: Sampler) -> None:
        super().__init__()
        self.sampler = regions

    def forward(  # noqa: PLR0913, PLR0917  (a graph's inputs)
        self,
        features: Float[Tensor, "h w dim"],
        points: Float[Tensor, "r p 2"],
        anchors_1: Int64[Tensor, "r a1"],
        neighbours_1: Int64[Tensor, "r a1 k1"],
        anchors_2: Int64[Tensor, "r a2"],
        neighbours_2: Int64[Tensor, "r a2 k2"],
    ) -> Float[Tensor, "r out"]:
        """Return a vector for each region."""
        legacy = self.sampler.settings.legacy_transpose
        there: Tensor = read(features[None], points[None], legacy_transpose=legacy)[0]  # (r, p, dim)
        found: Tensor = self.sampler(there, points, (anchors_1, neighbours_1, anchors_2, neighbours_2))
        return found


class RegionEncoder(nn.Module):
    """Fusion, reading and sampler in one: any number of regions of one picture."""

    def __init__(self, fused: Fusion, regions: Sampler) -> None:
        super().__init__()
        self.fusion = fused
        self.reader = RegionReader(regions)

    def forward(  # noqa: PLR0913, PLR0917  (a graph's inputs)
        self,
        global_map: Float[Tensor, "h w global_dim"],
        local_map: Float[Tensor, "height width local_dim"],
        rows: Float[Tensor, "height h"],
        columns: Float[Tensor, "width w"],
        points: Float[Tensor, "r p 2"],
        anchors_1: Int64[Tensor, "r a1"],
        neighbours_1: Int64[Tensor, "r a1 k1"],
        anchors_2: Int64[Tensor, "r a2"],
        neighbours_2: Int64[Tensor, "r a2 k2"],
    ) -> Float[Tensor, "r out"]:
        """Return a vector for each region."""
        fused = self.fusion(global_map, local_map, rows, columns)
        found: Tensor = self.reader(fused, points, anchors_1, neighbours_1, anchors_2, neighbours_2)
        return found


def read(
    maps: Float[Tensor, "b h w dim"],
    points: Float[Tensor, "b r p 2"],
    *,
    legacy_transpose: bool = False,
) -> Float[Tensor, "b r p dim"]:
    """Return the features of each map at the points of its regions, as `sampler.read` does."""
    at = points.flip(-1) if legacy_transpose else points
    return functional.grid_sample(
        maps.permute(0, 3, 1, 2), 2 * at - 1, padding_mode="border", align_corners=legacy_transpose
    ).permute(0, 2, 3, 1)


def projector_weights(projector: Projector) -> fusion.Projector:
    """Return a projector's weights for NumPy."""
    return fusion.Projector(_linear(projector[0]), _linear(projector[2]))


def parameters(module: nn.Module) -> int:
    """Return how many parameters a module has."""
    return sum(parameter.numel() for parameter in module.parameters())


def _gathered(values: Tensor, indices: Tensor) -> Tensor:
    """Return the values of each region at its indices: (r, p, dim) at (r, ...) is (r, ..., dim)."""
    regions, points, dim = values.shape
    first = torch.arange(regions, device=values.device) * points
    flat: Tensor = values.reshape(regions * points, dim)[
        indices + first.reshape(-1, *[1] * (indices.dim() - 1))
    ]
    return flat


def _linear(layer: nn.Linear) -> fusion.Linear:
    return fusion.Linear(layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy())
