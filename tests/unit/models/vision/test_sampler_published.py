"""The sampler against what was published, step by step."""

from typing import Literal

import numpy as np
import pytest

from models.vision.boxes import Box
from models.vision.fusion import Linear
from models.vision.sampler import (
    PUBLISHED,
    Geometry,
    SamplerSettings,
    SamplerWeights,
    Stage,
    StageWeights,
    geometry,
    read,
    sample,
)
from models.vision.tiles import WHOLE, stretched
from tests.unit.models.vision.regions import CELLS, LAYOUT, NINE, SMALL


def _weights(dim: int, out: int, settings: SamplerSettings, seed: int = 0) -> SamplerWeights:
    random = np.random.default_rng(seed)

    def linear(rows: int, columns: int) -> Linear:
        weight = random.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)
        return Linear(weight, random.standard_normal(rows, dtype=np.float32))

    def stage() -> StageWeights:
        norm = random.standard_normal((2, dim), dtype=np.float32)
        return StageWeights(linear(dim + 2, dim + 2), linear(dim, 2 * (dim + 2)), norm[0], norm[1])

    return SamplerWeights((stage(), stage()), linear(dim, settings.stages[1].anchors * dim), linear(out, dim))


def _zeros(*shape: int) -> np.ndarray:
    """Return zeros that take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def _same(one: Geometry, other: Geometry) -> bool:
    arrays = zip((one.points, *one.indices), (other.points, *other.indices), strict=True)
    return all(np.array_equal(a, b) for a, b in arrays)


def test_anchors_on_a_line_are_spread_at_least_half_as_well_as_can_be() -> None:
    settings = SamplerSettings(points=100, stages=(Stage(10, 3), Stage(4, 2)))
    layout = stretched(100, 1, grid=WHOLE, side_px=64)

    where = geometry([Box(0, 0, 100, 1)], layout, settings)

    for chosen, best in ((where.anchors[0][0], 99 / 9), (where.anchors[0][0][where.anchors[1][0]], 99 / 3)):
        assert np.diff(chosen).min() >= best / 2
    assert {0, 99} <= set(where.anchors[0][0].tolist())


@pytest.mark.parametrize("name", NINE)
def test_anchors_are_those_that_a_plain_search_for_the_farthest_finds(name: str) -> None:
    where = geometry([NINE[name]], LAYOUT, SMALL)
    places = np.rint(LAYOUT.shares(_unrounded(where)) * 65_536).astype(int)

    middle = [sum(int(p[axis]) for p in places) for axis in (0, 1)]
    count = len(places)
    chosen = [
        max(range(count), key=lambda i: sum((count * int(places[i][a]) - middle[a]) ** 2 for a in (0, 1)))
    ]
    while len(chosen) < 8:
        rest = [i for i in range(count) if i not in chosen]
        chosen.append(
            max(
                rest,
                key=lambda i: min(
                    sum((int(places[i][a]) - int(places[j][a])) ** 2 for a in (0, 1)) for j in chosen
                ),
            )
        )

    assert where.anchors[0][0].tolist() == sorted(chosen)


@pytest.mark.parametrize("name", NINE)
def test_neighbours_are_those_that_comparing_all_distances_finds(name: str) -> None:
    where = geometry([NINE[name]], LAYOUT, SMALL)
    places = np.rint(LAYOUT.shares(_unrounded(where)) * 65_536).astype(int)

    for anchor, neighbours in zip(where.anchors[0][0], where.neighbours[0][0], strict=True):
        distance = ((places - places[anchor]) ** 2).sum(axis=1)
        assert neighbours.tolist() == sorted(np.argsort(distance, kind="stable")[:5].tolist())


def _unrounded(where: Geometry) -> np.ndarray:
    """Return the pixels' middles that points stand for, before they became numbers of 32 bits."""
    canvas = where.points[0].astype(np.float64) * LAYOUT.canvas_px
    return np.floor(LAYOUT.to_image(canvas) + 1e-3) + 0.5


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_the_sampler_does_step_by_step_what_was_published(pool: Literal["max", "mean"]) -> None:
    settings = SamplerSettings(points=24, stages=(Stage(8, 5), Stage(3, 4)), pool=pool)
    weights = _weights(6, 4, settings)
    features = np.random.default_rng(1).standard_normal((*CELLS, 6), dtype=np.float32)
    where = geometry([NINE["polygon"]], LAYOUT, settings)

    values, places = list(read(features, where.points[0])), list(where.points[0])
    for stage, anchors, neighbours in zip(weights.stages, where.anchors, where.neighbours, strict=True):
        pooled = []
        for anchor, near in zip(anchors[0], neighbours[0], strict=True):
            own = np.concatenate((values[anchor], places[anchor]))
            found = []
            for one in near:
                difference = np.concatenate((values[one], places[one])) - own
                mapped = stage.difference.weight @ difference + stage.difference.bias
                merged = stage.merge.weight @ np.concatenate((mapped, own)) + stage.merge.bias
                positive = np.maximum(merged, 0)
                unit = (positive - positive.mean()) / np.sqrt(positive.var() + 1e-5)
                found.append(unit * stage.norm_scale + stage.norm_bias)
            pooled.append(np.max(found, axis=0) if pool == "max" else np.mean(found, axis=0))
        values, places = pooled, [places[anchor] for anchor in anchors[0]]
    flat = weights.flatten.weight @ np.concatenate(values) + weights.flatten.bias
    expected = weights.output.weight @ flat + weights.output.bias

    np.testing.assert_allclose(sample(features, where, weights, settings)[0], expected, rtol=1e-4, atol=1e-5)


def test_with_identity_weights_and_means_a_constant_map_gives_what_a_hand_computes() -> None:
    settings = SamplerSettings(points=24, stages=(Stage(8, 5), Stage(2, 4)), pool="mean")
    eye, nothing = np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32)
    own_feature = np.zeros((2, 8), dtype=np.float32)
    own_feature[:, 4:6] = eye
    stage = StageWeights(
        Linear(np.eye(4, dtype=np.float32), np.zeros(4, dtype=np.float32)),
        Linear(own_feature, nothing),
        2 * np.ones(2, dtype=np.float32),
        np.array([3, 0], dtype=np.float32),
    )
    both = Linear(np.concatenate((eye, eye), axis=1), nothing)
    features = np.broadcast_to(np.array([5, 1], dtype=np.float32), (*CELLS, 2))

    found = sample(
        features,
        geometry([NINE["box"]], LAYOUT, settings),
        SamplerWeights((stage, stage), both, Linear(eye, nothing)),
        settings,
    )

    # (5, 1) normalised is (1, -1), doubled and moved (5, -2); that, cut at 0, becomes the same; two anchors
    np.testing.assert_allclose(found, [[10, -4]], atol=1e-4)


@pytest.mark.parametrize(("dim", "out", "parameters"), [(1024, 4096, 44_069_900), (64, 128, 165_580)])
def test_the_weights_are_as_many_as_published(dim: int, out: int, parameters: int) -> None:
    difference = Linear(_zeros(dim + 2, dim + 2), _zeros(dim + 2))
    merge = Linear(_zeros(dim, 2 * (dim + 2)), _zeros(dim))
    stage = StageWeights(difference, merge, _zeros(dim), _zeros(dim))
    anchors = PUBLISHED.stages[-1].anchors
    flatten = Linear(_zeros(dim, anchors * dim), _zeros(dim))

    weights = SamplerWeights((stage, stage), flatten, Linear(_zeros(out, dim), _zeros(out)))

    assert weights.size == parameters


@pytest.mark.parametrize(
    ("points", "stages"),
    [
        (512, (Stage(513, 24), Stage(32, 24))),
        (512, (Stage(128, 24), Stage(129, 24))),
        (16, (Stage(8, 24), Stage(4, 4))),
        (512, (Stage(128, 0), Stage(32, 24))),
        (5_000, (Stage(128, 24), Stage(32, 24))),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(points: int, stages: tuple[Stage, Stage]) -> None:
    with pytest.raises(ValueError, match=r"cannot be taken from|at most 4,096"):
        SamplerSettings(points=points, stages=stages)
