"""Composes a scene of things, and asks for what is there and for what is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import UInt8

from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.segmentation.scenes.backdrops import backdrop
from models.segmentation.scenes.camera import Camera, photographed
from models.segmentation.scenes.drawing import pose, posed
from models.segmentation.scenes.layout import Canvas, Placing
from models.segmentation.scenes.pools import Drawing, Pool

UNIT_PX: Final = 512
"""Sizes of things are those in a scene whose longer side has so many pixels."""
_LARGEST_SHARE: Final = 0.9
_REPEATED: Final = 0.25
_SYNONYMS: Final = 0.25
_LARGEST_FIRST: Final = 0.7


@dataclass(frozen=True)
class SceneSettings:
    """How scenes are drawn.

    Attributes:
        sizes_px: Width and height of a scene, one of which is drawn; empty: any from 320 to 640 pixels.
        most: Largest number of things.
        least_px: Longer side of the smallest thing.
        most_px: Longer side of the largest; between them evenly on a logarithmic scale.
        absent: How many names of what is not there are asked for.
        synonyms: Whether things are at times asked for by another of their names.
        mirrors: Whether drawings may be mirrored.
        placing: How freely things are laid.
        camera: What happens to the whole picture.
    """

    sizes_px: tuple[tuple[int, int], ...] = ()
    most: int = 8
    least_px: int = 24
    most_px: int = 250
    absent: int = 10
    synonyms: bool = False
    mirrors: bool = True
    placing: Placing = field(default_factory=Placing)
    camera: Camera = field(default_factory=Camera)


@dataclass(frozen=True, eq=False)
class Materials:
    """What scenes are made of.

    Attributes:
        pool: Things.
        photographs: Scenery behind them.
        shares: Parts of the range of each texture's parameters (see `textures`).
        sentences: What is said around a phrase.
    """

    pool: Pool
    photographs: tuple[UInt8[np.ndarray, "_ _ 4"], ...] = ()
    shares: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    sentences: tuple[str, ...] = ("{}",)


def size_of(settings: SceneSettings, rng: np.random.Generator) -> tuple[int, int]:
    """Return width and height of a scene."""
    if settings.sizes_px:
        return settings.sizes_px[int(rng.integers(len(settings.sizes_px)))]
    longer = int(rng.integers(400, 641))
    shorter = int(rng.integers(320, longer + 1))
    return (longer, shorter) if rng.random() < 0.5 else (shorter, longer)  # noqa: PLR2004  (as often as not)


def named_scene(
    materials: Materials, settings: SceneSettings, rng: np.random.Generator, data_set: str
) -> Sample:
    """Return a scene of things that are asked for by name, and of which none is asked for in vain by another.

    Args:
        materials: Of the use that the scene is for.
        settings: How it is drawn.
        rng: All of its chance.
        data_set: Name of the set it is in.
    """
    width_px, height_px = size_of(settings, rng)
    background = backdrop(width_px, height_px, materials.photographs, rng)
    canvas = Canvas(background, settings.placing)
    laid = lay(canvas, labels(materials.pool, settings, rng), materials.pool, settings, rng)
    present = list(dict.fromkeys(each.label for each in laid))
    prompts, place = _prompts(materials.pool, present, settings, rng)
    things = tuple(
        Thing(box, mask, frozenset((place[each.label],)), stuff=False, label=each.label, cutout=each.id)
        for each, (box, mask) in zip(laid, canvas.masks(), strict=True)
    )
    return Sample(photographed(canvas.image, settings.camera, rng), prompts, things, data_set)


def nameless_scene(
    materials: Materials, settings: SceneSettings, rng: np.random.Generator, data_set: str
) -> Sample:
    """Return a scene of things whose names are not known: boxes and masks can be learned, words cannot."""
    width_px, height_px = size_of(settings, rng)
    canvas = Canvas(backdrop(width_px, height_px, materials.photographs, rng), settings.placing)
    wanted = materials.pool.drawn(int(rng.integers(1, settings.most + 1)), (), rng)
    laid = lay(canvas, wanted, materials.pool, settings, rng)
    things = tuple(
        Thing(box, mask, frozenset(), stuff=False, label=each.label, cutout=each.id)
        for each, (box, mask) in zip(laid, canvas.masks(), strict=True)
    )
    image = photographed(canvas.image, settings.camera, rng)
    return Sample(image, (), things, data_set, verified=frozenset())


def labels(pool: Pool, settings: SceneSettings, rng: np.random.Generator) -> list[str]:
    """Return what is to be laid: different things, some of them more than once."""
    count = int(rng.integers(1, settings.most + 1))
    wanted = pool.drawn(count, (), rng)
    again = rng.random(len(wanted)) < _REPEATED
    return [wanted[place - 1] if again[place] and place else wanted[place] for place in range(len(wanted))]


def lay(
    canvas: Canvas,
    wanted: Sequence[str],
    pool: Pool,
    settings: SceneSettings,
    rng: np.random.Generator,
) -> list[Drawing]:
    """Lay a drawing of each label, and return those that found a place, in the order they were laid."""
    height_px, width_px = canvas.image.shape[:2]
    unit = max(width_px, height_px) / UNIT_PX
    most_px = min(settings.most_px * unit, _LARGEST_SHARE * min(width_px, height_px))
    sizes = np.exp(rng.uniform(math.log(settings.least_px * unit), math.log(most_px), len(wanted)))
    order = np.arange(len(wanted))
    if rng.random() < _LARGEST_FIRST:  # or else a large one lies upon small ones, where these stay to be seen
        order = np.argsort(-sizes)
    laid = []
    for place in order.tolist():
        group = pool.groups[wanted[place]]
        drawing = group[int(rng.integers(len(group)))]
        how = pose(drawing, round(sizes[place]), rng, mirrors=settings.mirrors)
        if canvas.lay(posed(drawing.rgba, how), rng):
            laid.append(drawing)
    return laid


def _prompts(
    pool: Pool, present: Sequence[str], settings: SceneSettings, rng: np.random.Generator
) -> tuple[tuple[Prompt, ...], dict[str, int]]:
    """Return the prompts in any order, and which of them asks for each label."""
    asked = [*present, *pool.drawn(settings.absent, present, rng)]
    order = [asked[place] for place in rng.permutation(len(asked))]
    other = rng.random(len(order)) < (_SYNONYMS if settings.synonyms else 0)
    said = [_said(pool.groups[label][0], synonym=bool(by)) for label, by in zip(order, other, strict=True)]
    return tuple(Prompt(PromptKind.NAME, text) for text in said), {label: n for n, label in enumerate(order)}


def _said(drawing: Drawing, *, synonym: bool) -> str:
    return drawing.synonym if synonym and drawing.synonym else drawing.name
