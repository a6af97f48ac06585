"""What the local encoder learns from: scenes of cut-outs, and what its teacher sees in each cut-out.

Only pictures of the split `train` are laid into scenes; their targets are the teacher's embeddings of
the pictures alone, on white, as a memory is taught with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from models.vision.backgrounds import cover
from models.vision.local_encoder.cutouts import TRAINING, cutouts, on_white
from models.vision.local_encoder.points import region_points
from models.vision.local_encoder.reading import SIDE_PX, tiles_of
from models.vision.preparation import prepare
from models.vision.scenes import CutOut, SceneSettings, compose
from models.vision.tiles import WHOLE, Grid

Teacher = Callable[[UInt8[np.ndarray, "n 224 224 3"]], Float32[np.ndarray, "n dim"]]
"""Crops to unit-norm embeddings."""

GRIDS = (WHOLE, Grid(2, 2), Grid(2, 1), Grid(2, 2), Grid(1, 2))
"""Of the scenes, in turn."""
_BATCH = 32
_OBJECTS_A_TILE = 16
_SMALLEST_PX = 6
_LARGEST_PX = 210
_SMALL_PX = 60


@dataclass(frozen=True, eq=False)
class Lessons:
    """Cut-outs, one row of targets for each, and numbers that are equal where they show the same class."""

    cutouts: tuple[CutOut, ...]
    targets: Float32[np.ndarray, "n dim"]
    classes: Int64[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One scene as the encoder gets it, and which cut-out each region shows.

    Attributes:
        tiles: Row by row, then the whole scene as one tile, unless there is one tile only.
        points: Where each region is read.
        shown: Index of its cut-out.
    """

    tiles: UInt8[np.ndarray, "n 224 224 3"]
    points: Float32[np.ndarray, "regions points 3"]
    shown: Int64[np.ndarray, "regions"]


def lessons(teacher: Teacher, graph: str, *, held_out: str | None = None) -> Lessons:
    """Return all cut-outs with the teacher's embeddings of them, which are kept in the cache.

    Args:
        teacher: Who is copied.
        graph: What changes when the teacher does.
        held_out: As in `cutouts`.
    """
    known = tuple(cutouts(held_out))
    labels = [cutout.label for cutout in known]
    key = hashlib.sha256("\n".join([graph, str(held_out), *labels]).encode()).hexdigest()[:16]
    path = TRAINING / f"targets-{key}.npy"
    if not path.is_file():
        unfinished = path.with_suffix(".unfinished.npy")
        np.save(unfinished, _targets(teacher, known))
        unfinished.rename(path)
    _, classes = np.unique(labels, return_inverse=True)
    return Lessons(known, np.load(path), classes.astype(np.int64))


def lesson(known: Lessons, grid: Grid, seed: int) -> Lesson:
    """Return a scene of this grid, drawn from a seed."""
    rng = np.random.default_rng(seed)
    finer = np.exp(rng.uniform(0, 0.5)) * np.exp(rng.uniform(-0.15, 0.15, 2))
    width_px, height_px = (round(SIDE_PX * sides * more) for sides, more in zip(grid, finer, strict=True))
    drawn = rng.permutation(len(known.cutouts))[: _OBJECTS_A_TILE * grid.tiles]
    largest = min(_LARGEST_PX, min(width_px, height_px) - 8)
    if rng.random() < 0.5:  # noqa: PLR2004  (half of the scenes hold small things only)
        largest = _SMALL_PX
    background = None
    if rng.random() < 0.3:  # noqa: PLR2004  (some scenes stand on a picture)
        behind = known.cutouts[int(rng.integers(len(known.cutouts)))].rgba
        background = cover(on_white(behind), width_px, height_px)
    scene = compose(
        [CutOut(str(index), known.cutouts[index].rgba) for index in drawn],
        SceneSettings(width_px, height_px, max(_SMALLEST_PX, round(_SMALLEST_PX * finer.min())), largest),
        seed=seed,
        background=background,
    )
    masked = rng.random(len(scene.objects)) < 0.4  # noqa: PLR2004  (of the regions come as masks)
    points = [
        region_points(
            each.box,
            each.in_image(width_px, height_px) if with_mask else None,
            width_px=width_px,
            height_px=height_px,
        )
        for each, with_mask in zip(scene.objects, masked, strict=True)
    ]
    shown = np.array([int(each.label) for each in scene.objects], dtype=np.int64)
    return Lesson(tiles_of(scene.image, grid), np.stack(points), shown)


def principal(known: Lessons, dimensions: int) -> Lessons:
    """Return the same lessons with targets in their most telling directions, again of length 1."""
    centred = known.targets - known.targets.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # by rising variance
    reduced = centred @ directions[:, -dimensions:]
    reduced /= np.linalg.norm(reduced, axis=1, keepdims=True)
    return replace(known, targets=reduced)


def _targets(teacher: Teacher, known: Sequence[CutOut]) -> Float32[np.ndarray, "n dim"]:
    found = []
    for start in range(0, len(known), _BATCH):
        batch = known[start : start + _BATCH]
        found.append(teacher(np.stack([prepare(on_white(each.rgba)) for each in batch])))
    return np.concatenate(found)
