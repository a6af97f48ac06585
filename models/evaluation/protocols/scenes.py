"""Small objects in scenes of known truth: read at full resolution, or from the picture shrunk to one tile?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageOps

from models.data.manifest import Manifest
from models.evaluation.metrics import Share, best_of_groups, ranks, top
from models.vision.boxes import Box
from models.vision.preparation import prepare
from models.vision.scenes import CutOut, Scene, SceneSettings, compose

TILE_PX: Final = 224
SCENE_PX: Final = 448
SETTINGS: Final = SceneSettings(SCENE_PX, SCENE_PX, least_px=12, most_px=24)
OBJECTS: Final = 20
SCENES: Final = 30

Reading = Callable[
    [UInt8[np.ndarray, "h w 3"], Sequence[Box], Sequence[Bool[np.ndarray, "h w"]]],
    Float[np.ndarray, "region dim"],
]
"""Embeds the regions of an image: boxes, and which pixels of the image each has."""
Crops = Callable[[UInt8[np.ndarray, "n 224 224 3"]], Float[np.ndarray, "n dim"]]
"""Embeds crops."""


@dataclass(frozen=True)
class Way:
    """One way of reading regions, and the memory in whose space it reads them."""

    title: str
    read: Reading
    memory: Float[np.ndarray, "picture dim"]


@dataclass(frozen=True)
class Found:
    """What one way made of all objects of all scenes."""

    title: str
    first: Share
    five: Share


def compose_all(cutouts: Manifest, backgrounds: Manifest, *, scenes: int = SCENES) -> list[Scene]:
    """Compose scenes by their number: every class once before any comes twice."""
    drawn = np.random.default_rng(0)
    rounds = 1 + scenes * OBJECTS // len(cutouts)
    order = np.concatenate([drawn.permutation(len(cutouts)) for _ in range(rounds)]).tolist()
    rows = [cutouts.rows[place] for place in order]
    pictures = [_background(backgrounds, number) for number in range(scenes)]
    return [
        compose(
            [
                CutOut.read(row.label, cutouts.file(row))
                for row in rows[number * OBJECTS : (number + 1) * OBJECTS]
            ],
            SETTINGS,
            seed=number,
            background=pictures[number],
        )
        for number in range(scenes)
    ]


def recognise(scenes: Sequence[Scene], labels: Sequence[str], way: Way) -> Found:
    """Recognise every object by its mask.

    Args:
        scenes: Composed.
        labels: Of the memory's pictures.
        way: How regions are read.
    """
    names, group = np.unique(np.asarray(labels), return_inverse=True)
    place = {name: number for number, name in enumerate(names.tolist())}
    rank = []
    for scene in scenes:
        height_px, width_px = scene.image.shape[:2]
        masks = [each.in_image(width_px, height_px) for each in scene.objects]
        seen = way.read(scene.image, [each.box for each in scene.objects], masks)
        truth = np.array([place[each.label] for each in scene.objects])
        rank.append(ranks(best_of_groups(seen @ way.memory.T, group), truth))
    together = np.concatenate(rank)
    return Found(way.title, top(together, 1), top(together, 5))


def cropped(see: Crops) -> Reading:
    """Return a reading by crop and blur, one pass a region, from the image as it is."""

    def read(
        image: UInt8[np.ndarray, "h w 3"], boxes: Sequence[Box], masks: Sequence[Bool[np.ndarray, "h w"]]
    ) -> Float[np.ndarray, "region dim"]:
        crops = [prepare(image, box, mask) for box, mask in zip(boxes, masks, strict=True)]
        return see(np.stack(crops))

    return read


def shrunk(see: Crops) -> Reading:
    """Return a reading by crop and blur from the image shrunk to one tile: what a fixed resolution leaves."""

    def read(
        image: UInt8[np.ndarray, "h w 3"], boxes: Sequence[Box], masks: Sequence[Bool[np.ndarray, "h w"]]
    ) -> Float[np.ndarray, "region dim"]:
        ratio = TILE_PX / max(image.shape[:2])
        size = (round(image.shape[1] * ratio), round(image.shape[0] * ratio))
        small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        less = [Box.around(*(ratio * edge for edge in (b.left, b.top, b.right, b.bottom))) for b in boxes]
        fewer = [_shrunk_mask(mask, size) for mask in masks]
        return cropped(see)(small, less, fewer)

    return read


def _shrunk_mask(mask: Bool[np.ndarray, "h w"], size: tuple[int, int]) -> Bool[np.ndarray, "small_h small_w"]:
    return np.asarray(Image.fromarray(mask).convert("L").resize(size, Image.Resampling.BOX)) > 0


def _background(backgrounds: Manifest, number: int) -> UInt8[np.ndarray, "h w 3"]:
    row = backgrounds.rows[number % len(backgrounds)]
    with Image.open(backgrounds.file(row)) as picture:
        return np.asarray(ImageOps.fit(picture.convert("RGB"), (SCENE_PX, SCENE_PX)))
