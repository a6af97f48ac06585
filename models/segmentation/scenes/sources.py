"""Which drawing, photograph and name may be used for what.

A scene of one use shares no drawing and no photograph with a scene of another. Never trained on are: all
drawings of one artist, the names that `models.data.splits` withholds, one name in twelve, and one drawing
in twelve of the other names.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import UInt8

from models.data.cache import load
from models.data.manifest import Manifest, Row
from models.data.splits import EVALUATION, TRAIN
from models.segmentation.scenes.pools import Drawing, Pool, pool
from models.vision.local_encoder.cutouts import decoded, is_development
from models.vision.masks import area
from models.vision.scenes import OPAQUE

HELD_OUT_ARTIST: Final = "twitter"
_DESIGNS: Final = {"fluent-3d": "fluent", "fluent-flat": "fluent"}
"""Sets that one studio made of the same sketches: what is held out of one is held out of both."""
_LEFT_OUT: Final = 12
_SCENERY_LEFT_OUT: Final = 6
_PHOTO_PX: Final = 320
_SCENERY_PX: Final = 768
_UPRIGHT: Final = frozenset(("Symbols", "Flags", "Travel & Places"))
"""Groups with things that mean something else when turned: arrows, letters, clocks."""
_MIRRORED: Final = frozenset(("Animals & Nature", "Food & Drink"))
_LEAST_OPAQUE: Final = 64


class Use(StrEnum):
    """What a scene is for."""

    TRAINING = "training"
    DEVELOPMENT = "development"
    EVALUATION = "evaluation"


class Names(StrEnum):
    """Which things a scene holds."""

    SEEN = "seen"
    """Things whose names are trained on."""
    UNSEEN = "unseen"
    """Things whose names are not."""
    PHOTOS = "photos"
    """Photographs of things; for evaluation alone."""
    CLIPART = "clipart"
    """Drawings whose names nobody can trust; for training alone."""


@cache
def drawings(use: Use, names: Names) -> Pool:
    """Return what may be laid into scenes of this use.

    Raises:
        NotFetched, DataError: If a data set is not there or damaged.
        ValueError: If there is nothing of that kind for this use.
    """
    if names is Names.CLIPART and use is Use.TRAINING:
        return pool(_clipart(load("clipart").where(lambda row: row.split == TRAIN)))
    if names is Names.PHOTOS and use is Use.EVALUATION:
        return pool(_photos(load("photos")))
    if names in (Names.CLIPART, Names.PHOTOS) or (use, names) == (Use.TRAINING, Names.UNSEEN):
        raise ValueError(f"there is nothing of {names} for {use}")
    emoji = load("emoji").where(lambda row: not row["parent"])  # tones are one drawing
    pictures = decoded(emoji)
    found = [
        _drawing(row, rgba)
        for row, rgba in zip(emoji.rows, pictures, strict=True)
        if use_of(row) == (use, names) and is_thing(rgba)
    ]
    return pool(found, _alike(emoji.rows))


@cache
def photographs(use: Use) -> tuple[UInt8[np.ndarray, "_ _ 4"], ...]:
    """Return scenery to stand behind things. Raises NotFetched, DataError."""
    scenery = load("scenery").where(lambda row: row["kind"] == "scenery")
    pictures = decoded(scenery, _SCENERY_PX)
    return tuple(
        rgba
        for row, rgba in zip(scenery.rows, pictures, strict=True)
        if scenery_use(row) is use and rgba.size
    )


def use_of(row: Row) -> tuple[Use, Names] | None:
    """Return what an emoji's drawing may be used for; None: nothing."""
    if row["artist"] == HELD_OUT_ARTIST:
        return _held_out_use(row)
    if row.split != TRAIN:
        return None
    if is_development(row["codepoint"]):
        return Use.DEVELOPMENT, Names.UNSEEN
    design = _DESIGNS.get(row["artist"], row["artist"])
    left_out = _share(f"{design}/{row['codepoint']}") % _LEFT_OUT == 0
    return (Use.DEVELOPMENT if left_out else Use.TRAINING), Names.SEEN


def scenery_use(row: Row) -> Use:
    """Return what a photograph of scenery is for, by its content."""
    if row.split == EVALUATION:
        return Use.EVALUATION
    return Use.DEVELOPMENT if _share(row.sha256) % _SCENERY_LEFT_OUT == 0 else Use.TRAINING


def is_thing(rgba: UInt8[np.ndarray, "_ _ 4"]) -> bool:
    """Whether enough of a cut-out can be seen to find it."""
    return area(rgba[:, :, 3] >= OPAQUE) >= _LEAST_OPAQUE


def _held_out_use(row: Row) -> tuple[Use, Names] | None:
    if row["unseen"]:
        return Use.EVALUATION, Names.UNSEEN
    if row.split == TRAIN and not is_development(row["codepoint"]):
        return Use.EVALUATION, Names.SEEN
    return None


def _drawing(row: Row, rgba: UInt8[np.ndarray, "_ _ 4"]) -> Drawing:
    group = row["group"]
    return Drawing(
        id=row.id,
        label=row["codepoint"],
        name=row.label,
        synonym=row["annotation"],
        rgba=rgba,
        turns=group not in _UPRIGHT,
        mirrors=group in _MIRRORED,
    )


def _clipart(clipart: Manifest) -> Sequence[Drawing]:
    pictures = zip(clipart.rows, decoded(clipart), strict=True)
    return [Drawing(row.id, row.id, "", "", rgba, mirrors=True) for row, rgba in pictures if is_thing(rgba)]


def _photos(photos: Manifest) -> Sequence[Drawing]:
    pictures = zip(photos.rows, decoded(photos, _PHOTO_PX), strict=True)
    return [Drawing(row.id, row.label, row.label, "", rgba) for row, rgba in pictures if is_thing(rgba)]


def _alike(rows: Sequence[Row]) -> Mapping[str, frozenset[str]]:
    """Return, for each code point one of whose pictures is also another's, all of these."""
    same: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        same[row.sha256].add(row["codepoint"])
    found: dict[str, set[str]] = defaultdict(set)
    for codepoints in same.values():
        for each in codepoints if len(codepoints) > 1 else ():
            found[each] |= codepoints - {each}
    return {codepoint: frozenset(others) for codepoint, others in found.items()}


def _share(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)
