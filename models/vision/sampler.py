"""Reads any number of regions, of any shape, from one feature map: Ferret's spatial-aware sampler.

Source: Ferret (You et al., arXiv 2310.07704), which Ferret-v2 uses on its fused map. Points are taken
from the region, features are read there, and twice points far from each other gather what lies near
them. Three things differ from the released code: x and y are not swapped when features are read, a
feature lies in the middle of its cell, and nothing is drawn at random (docs/decisions/0023-sampler.md).

Which points, anchors and neighbours there are (`geometry`) depends on the regions alone. It is found
here, in whole numbers, so that it is the same on every machine, and handed to the graph as indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64

from models.vision.fusion import Linear
from models.vision.regions import Region, pixels
from models.vision.tiles import Layout

_NORM_EPSILON = 1e-5
_PLACES = 1 << 16  # positions on the canvas that geometry tells apart, along each axis
_PIXELS_PER_POINT = 8  # looked at for each point that is taken
_MOST_POINTS = 1 << 12  # so that a squared distance and an index fit into 53 bits
_REGIONS_AT_ONCE = 32  # bounds the memory of distances


class Stage(NamedTuple):
    """How many points stay, and from how many near each they gather."""

    anchors: int
    neighbours: int


@dataclass(frozen=True)
class SamplerSettings:
    """All parameters of the sampler; the published ones by default.

    Attributes:
        points: Taken from each region.
        stages: The first, and the one after it.
        pool: What neighbours become: their greatest value in each channel, or their mean.
        legacy_transpose: Whether features are read as the released code reads them: x and y swapped, and
            the outermost features on the edges of the picture. For weights trained so, and nothing else.
    """

    points: int = 512
    stages: tuple[Stage, Stage] = (Stage(128, 24), Stage(32, 24))
    pool: Literal["max", "mean"] = "max"
    legacy_transpose: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that could not be meant. Raises ValueError."""
        before = self.points
        for stage in self.stages:
            if min(stage) < 1 or max(stage) > before:
                raise ValueError(f"{stage} cannot be taken from {before} points")
            before = stage.anchors
        if self.points > _MOST_POINTS:
            raise ValueError(f"{self.points:,} points a region; at most {_MOST_POINTS:,} are told apart")


PUBLISHED = SamplerSettings()


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where each region is read, and what gathers from what.

    Attributes:
        points: (x, y) as shares of the canvas, row by row; one that has too few pixels is repeated.
        anchors: For each stage the points that stay, as indices into those of the stage before, rising.
        neighbours: For each stage and anchor the points near it, itself among them, as such indices.
    """

    points: Float32[np.ndarray, "regions points 2"]
    anchors: tuple[Int64[np.ndarray, "regions _"], ...]
    neighbours: tuple[Int64[np.ndarray, "regions _ _"], ...]

    @property
    def indices(self) -> tuple[Int64[np.ndarray, "..."], ...]:
        """Anchors and neighbours of the first stage, then of the next, as the graph takes them."""
        return tuple(found for stage in zip(self.anchors, self.neighbours, strict=True) for found in stage)


@dataclass(frozen=True, eq=False)
class StageWeights:
    """Weights of one stage, for features of `dim` channels beside which x and y stand."""

    difference: Linear
    merge: Linear
    norm_scale: Float32[np.ndarray, "dim"]
    norm_bias: Float32[np.ndarray, "dim"]

    @property
    def size(self) -> int:
        """Parameters."""
        return self.difference.size + self.merge.size + self.norm_scale.size + self.norm_bias.size


@dataclass(frozen=True, eq=False)
class SamplerWeights:
    """Weights of the sampler."""

    stages: tuple[StageWeights, StageWeights]
    flatten: Linear
    output: Linear

    @property
    def size(self) -> int:
        """Parameters."""
        return sum(stage.size for stage in self.stages) + self.flatten.size + self.output.size


def geometry(
    regions: Sequence[Region],
    layout: Layout,
    settings: SamplerSettings = PUBLISHED,
) -> Geometry:
    """Return where regions are read and what gathers from what; the same for the same region, always.

    Args:
        regions: In the picture's pixels.
        layout: Of the map's tiles.
        settings: How many of each.

    Raises:
        EmptyMaskError: If a region has no pixel in the picture.
        ValueError: If a mask is of another size than the picture.
    """
    taken = [_points(region, layout, settings.points) for region in regions]
    points = np.stack(taken) if taken else np.empty((0, settings.points, 2))
    places = np.rint(points * _PLACES).astype(np.int64)
    anchors, neighbours = [], []
    for stage in settings.stages:
        parts = np.array_split(places, max(1, -(-len(places) // _REGIONS_AT_ONCE)))
        kept = np.concatenate([_farthest(part, stage.anchors) for part in parts])
        places_kept = np.take_along_axis(places, kept[:, :, None], axis=1)
        parts_kept = np.array_split(places_kept, len(parts))
        near = [_nearest(a, p, stage.neighbours) for a, p in zip(parts_kept, parts, strict=True)]
        anchors.append(kept)
        neighbours.append(np.concatenate(near))
        places = places_kept
    return Geometry(points.astype(np.float32), tuple(anchors), tuple(neighbours))


def read(
    features: Float[np.ndarray, "h w dim"],
    points: Float[np.ndarray, "*n 2"],
    *,
    legacy_transpose: bool = False,
) -> Float[np.ndarray, "*n dim"]:
    """Return the features at points, interpolated between the middles of the four cells around each.

    Args:
        features: The map.
        points: (x, y) as shares of the map, 0 to 1.
        legacy_transpose: As in `SamplerSettings`.
    """
    last = np.array(features.shape[1::-1]) - 1  # (2,): x, y
    place = points[..., ::-1] * last if legacy_transpose else points * (last + 1) - 0.5
    place = np.clip(place, 0, last)  # (*n, 2)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, last)
    right, down = np.moveaxis((place - low)[..., None], -2, 0)  # (*n, 1) each
    upper = features[low[..., 1], low[..., 0]] * (1 - right) + features[low[..., 1], high[..., 0]] * right
    lower = features[high[..., 1], low[..., 0]] * (1 - right) + features[high[..., 1], high[..., 0]] * right
    read_there: np.ndarray = (upper * (1 - down) + lower * down).astype(features.dtype)
    return read_there


def sample(
    features: Float[np.ndarray, "h w dim"],
    where: Geometry,
    weights: SamplerWeights,
    settings: SamplerSettings = PUBLISHED,
) -> Float[np.ndarray, "regions out"]:
    """Return one vector for each region, step by step as published; what graphs are compared with.

    Args:
        features: The map.
        where: The regions.
        weights: Of the map's channels.
        settings: Those that the geometry was made with.
    """
    places = where.points
    values = read(features, places, legacy_transpose=settings.legacy_transpose)  # (regions, points, dim)
    for stage, anchors, neighbours in zip(weights.stages, where.anchors, where.neighbours, strict=True):
        known = np.concatenate((values, places), axis=-1)  # (regions, points, dim + 2)
        own = np.take_along_axis(known, anchors[:, :, None], axis=1)[:, :, None]
        row = np.arange(len(known))[:, None, None]
        seen = stage.difference(known[row, neighbours] - own)  # (regions, anchors, neighbours, dim + 2)
        both = np.concatenate((seen, np.broadcast_to(own, seen.shape)), axis=-1)
        merged = _normalised(np.maximum(stage.merge(both), 0), stage)
        values = merged.max(axis=2) if settings.pool == "max" else merged.mean(axis=2)
        places = np.take_along_axis(places, anchors[:, :, None], axis=1)
    flat = values.reshape(len(values), weights.flatten.weight.shape[1])  # (regions, anchors * dim)
    return weights.output(weights.flatten(flat))


def _points(region: Region, layout: Layout, count: int) -> Float[np.ndarray, "count 2"]:
    """Return a region's points as shares of the canvas, row by row.

    Its pixels are cut into bands of as many rows as make the points about as far from each other down
    as across. On the way through the bands, back and forth, every so manieth is taken.
    """
    found = pixels(
        region,
        width_px=layout.width_px,
        height_px=layout.height_px,
        at_most=_PIXELS_PER_POINT * count,
    )  # (n, 2)
    n = len(found)
    width, height = np.ptp(found, axis=0) + 1
    bands = int(np.clip(np.rint(np.sqrt(count * height / width)), 1, count))
    band = np.arange(n) * bands // n
    way = np.lexsort((np.where(band % 2, -found[:, 0], found[:, 0]), band))
    step = np.arange(count)
    middle = ((2 * step + 1) * n - step % 2) // (2 * count)  # of two middles, one and then the other
    return layout.shares(found[np.sort(way[middle])] + 0.5)


def _farthest(places: Int64[np.ndarray, "r n 2"], count: int) -> Int64[np.ndarray, "r count"]:
    """Return for each region points that lie far from each other, as rising indices.

    The first is the one farthest from the middle of all, each further one that which is farthest from all
    before; the first in order where several are.
    """
    x, y = np.moveaxis(places, -1, 0)  # (r, n) each
    row = np.arange(len(places))
    from_middle = places.shape[1] * places - places.sum(axis=1, keepdims=True)  # (r, n, 2), n times too long
    current = (from_middle**2).sum(axis=-1).argmax(axis=1)  # (r,)
    taken = np.empty((len(places), count), dtype=np.int64)
    to_taken = np.full(x.shape, np.iinfo(np.int64).max)
    for step in range(count):
        taken[:, step] = current
        across, down = x - x[row, current][:, None], y - y[row, current][:, None]
        np.minimum(to_taken, across * across + down * down, out=to_taken)
        to_taken[row, current] = -1  # points that are repeated lie at 0, and come before it again
        current = to_taken.argmax(axis=1)
    taken.sort(axis=1)
    return taken


def _nearest(
    anchors: Int64[np.ndarray, "r a 2"],
    places: Int64[np.ndarray, "r n 2"],
    count: int,
) -> Int64[np.ndarray, "r a count"]:
    """Return for each anchor its nearest points, as rising indices; the first in order where several are."""
    across = anchors[:, :, None, 0] - places[:, None, :, 0]  # (r, a, n)
    down = anchors[:, :, None, 1] - places[:, None, :, 1]
    keys = (across * across + down * down) * _MOST_POINTS + np.arange(places.shape[1])
    nearest = np.partition(keys, count - 1, axis=-1)[:, :, :count] % _MOST_POINTS
    nearest.sort(axis=-1)
    return nearest


def _normalised(values: Float[np.ndarray, "*n dim"], stage: StageWeights) -> Float[np.ndarray, "*n dim"]:
    centred = values - values.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + _NORM_EPSILON)
    normalised: np.ndarray = centred / scale * stage.norm_scale + stage.norm_bias
    return normalised
