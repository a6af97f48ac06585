"""Scenes without a background: all of the picture is stuff with a name, and things lie on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from models.data.splits import words
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.segmentation.scenes.camera import photographed
from models.segmentation.scenes.compositor import Materials, SceneSettings, labels, lay, size_of
from models.segmentation.scenes.layout import Canvas
from models.segmentation.scenes.pools import Pool, clash, pool
from models.segmentation.scenes.textures import TEXTURES, Draws
from models.segmentation.stuff import components
from models.vision.masks import bounding_box

_MOST_REGIONS: Final = 4
_WAVES: Final = 0.05
_SPOTS: Final = 0.5


def apart_from_stuff(known: Pool) -> Pool:
    """Return the part of a pool none of whose names may be true of a texture: no "sand", no "water wave"."""
    stuff = [words(name) for name in TEXTURES]
    kept = [
        label
        for label, said in known.said.items()
        if not any(clash(one, other) for one in said for other in stuff)
    ]
    return pool((each for label in kept for each in known.groups[label]), known.alike)


def stuff_scene(
    materials: Materials, settings: SceneSettings, rng: np.random.Generator, data_set: str
) -> Sample:
    """Return a scene of one to four regions of stuff with things on them, all asked for by name.

    Half of the absent names are of stuff.

    Args:
        materials: Of the use that the scene is for; with a pool that is `apart_from_stuff`.
        settings: How it is drawn; `most` things, often fewer.
        rng: All of its chance.
        data_set: Name of the set it is in.
    """
    width_px, height_px = size_of(settings, rng)
    ground, stuff = _ground(width_px, height_px, Draws(rng, materials.shares))
    canvas = Canvas(ground, settings.placing)
    wanted = labels(materials.pool, settings, rng)[: int(rng.integers(settings.most + 1))]
    laid = lay(canvas, wanted, materials.pool, settings, rng)
    present = list(dict.fromkeys(each.label for each in laid))
    names = {label: materials.pool.name(label) for label in present} | {name: name for name in stuff}
    place, prompts = _prompts(names, materials.pool, settings, rng)
    things = [
        Thing(box, mask, frozenset((place[each.label],)), stuff=False, label=each.label, cutout=each.id)
        for each, (box, mask) in zip(laid, canvas.masks(), strict=True)
    ]
    for name, region in stuff.items():
        things += [
            Thing(part.box, part.mask, frozenset((place[name],)), stuff=True, label=name)
            for part in components(region & canvas.free())
        ]
    return Sample(photographed(canvas.image, settings.camera, rng), prompts, tuple(things), data_set)


def _ground(
    width_px: int, height_px: int, draws: Draws
) -> tuple[UInt8[np.ndarray, "h w 3"], Mapping[str, Bool[np.ndarray, "h w"]]]:
    """Return a picture of regions of texture, and which pixels show which."""
    count = int(draws.rng.integers(1, _MOST_REGIONS + 1))
    regions = _spots if draws.rng.random() < _SPOTS else _layers
    owner = regions(width_px, height_px, count, draws.rng)
    known = list(TEXTURES)
    chosen = [known[place] for place in draws.rng.permutation(len(known))[:count]]
    ground = np.zeros((height_px, width_px, 3), dtype=np.uint8)
    stuff = {}
    for number, name in enumerate(chosen):
        region = owner == number
        if region.any():
            box = bounding_box(region)
            texture = TEXTURES[name](box.right - box.left, box.bottom - box.top, draws)
            inside = region[box.rows, box.columns, None]
            np.copyto(ground[box.rows, box.columns], texture, where=inside)
            stuff[name] = region
    return ground, stuff


def _layers(width_px: int, height_px: int, count: int, rng: np.random.Generator) -> Int64[np.ndarray, "h w"]:
    """Return which of some layers each pixel is in; they lie upon or beside each other, with wavy edges."""
    on_side = rng.random() < 0.3  # noqa: PLR2004  (mostly upon each other)
    long_px, deep_px = (height_px, width_px) if on_side else (width_px, height_px)
    along = np.linspace(0, 2 * np.pi, long_px)
    owner = np.zeros((deep_px, long_px), dtype=np.int64)
    for level in (np.arange(1, count) + rng.uniform(-0.3, 0.3, count - 1)) / count:
        slope, height, waves, phase = rng.uniform((-0.1, 0, 0.5, 0), (0.1, _WAVES, 3, 2 * np.pi))
        edge = deep_px * (level + slope * (along / np.pi - 1) + height * np.sin(waves * along + phase))
        owner += np.arange(deep_px)[:, None] > edge
    return owner.T if on_side else owner


def _spots(width_px: int, height_px: int, count: int, rng: np.random.Generator) -> Int64[np.ndarray, "h w"]:
    """Return which of some regions each pixel is in: that of the nearest of a few points."""
    points = rng.random((count + int(rng.integers(2)), 2)) * (width_px, height_px)
    across = np.arange(width_px, dtype=np.float32)
    down = np.arange(height_px, dtype=np.float32)[:, None]
    owner = np.zeros((height_px, width_px), dtype=np.int64)
    least = np.full((height_px, width_px), np.inf, dtype=np.float32)
    for number, (x, y) in enumerate(points):
        apart = (across - np.float32(x)) ** 2 + (down - np.float32(y)) ** 2
        owner[apart < least] = number % count
        np.minimum(least, apart, out=least)
    return owner


def _prompts(
    present: Mapping[str, str], known: Pool, settings: SceneSettings, rng: np.random.Generator
) -> tuple[dict[str, int], tuple[Prompt, ...]]:
    """Return which prompt asks for each label, and the prompts in any order."""
    absent = [name for name in TEXTURES if name not in present]
    stuff = [absent[place] for place in rng.permutation(len(absent))[: settings.absent // 2]]
    others = known.drawn(
        settings.absent - len(stuff), [label for label in present if label in known.groups], rng
    )
    asked = [
        *present.items(),
        *((name, name) for name in stuff),
        *((label, known.name(label)) for label in others),
    ]
    order = [asked[place] for place in rng.permutation(len(asked))]
    prompts = tuple(Prompt(PromptKind.NAME, name) for _, name in order)
    return {label: number for number, (label, _) in enumerate(order)}, prompts
