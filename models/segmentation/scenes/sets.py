"""The sets of scenes by name: any scene of any set can be drawn by its number alone.

What a training scene is made of is never in a development or an evaluation scene (see `sources`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np

from models.segmentation.samples import Sample
from models.segmentation.scenes.camera import Camera
from models.segmentation.scenes.compositor import Materials, SceneSettings, named_scene, nameless_scene
from models.segmentation.scenes.grounds import apart_from_stuff, stuff_scene
from models.segmentation.scenes.layout import Placing
from models.segmentation.scenes.pools import Pool
from models.segmentation.scenes.referring import SENTENCES, UNHEARD_SENTENCES, describable, referring_scene
from models.segmentation.scenes.sources import Names, Use, drawings, photographs

EVALUATION_SCENES: Final = 500
"""How many scenes each evaluation set has; sets of the other uses have no end."""
_JUDGED_PX: Final = ((512, 512), (512, 384), (384, 512))
SHARES: Final = MappingProxyType(
    {
        Use.TRAINING: ((0.0, 0.2), (0.3, 0.45), (0.55, 0.7), (0.8, 1.0)),
        Use.DEVELOPMENT: ((0.45, 0.55),),
        Use.EVALUATION: ((0.2, 0.3), (0.7, 0.8)),
    }
)
"""Of the range of each parameter of a texture."""

Maker = Callable[[Materials, SceneSettings, np.random.Generator, str], Sample]


@dataclass(frozen=True)
class _Set:
    """How the scenes of a set are made, and of which part of the drawings."""

    make: Maker
    settings: SceneSettings
    names: Names = Names.SEEN
    part: Callable[[Pool], Pool] = lambda pool: pool


_NAMED: Final = _Set(named_scene, SceneSettings())
_REFERRING: Final = _Set(
    referring_scene,
    SceneSettings(
        least_px=32,
        most_px=200,
        placing=Placing(visible=0.7, outside=0.0),
        camera=Camera(light=0.12, cast=0.04),
    ),
    part=describable,
)
_STUFF: Final = _Set(stuff_scene, SceneSettings(most=6), part=apart_from_stuff)
_TRAINING: Final[Mapping[str, _Set]] = MappingProxyType(
    {
        "scenes": replace(_NAMED, settings=SceneSettings(synonyms=True)),
        "referring": _REFERRING,
        "stuff": _STUFF,
        "clipart": _Set(nameless_scene, SceneSettings(), Names.CLIPART),
    }
)
_JUDGED: Final[Mapping[str, _Set]] = MappingProxyType(
    {
        "seen": _NAMED,
        "unseen": replace(_NAMED, names=Names.UNSEEN),
        "photos": replace(_NAMED, names=Names.PHOTOS),
        "referring": _REFERRING,
        "stuff": _STUFF,
    }
)


def training(data_set: str, number: int) -> Sample:
    """Return a scene to learn from: of `scenes`, `referring`, `stuff`, or `clipart`, which has no names.

    Args:
        data_set: Its name.
        number: From 0; the scene depends on it alone.

    Raises:
        KeyError: If there is no such set.
        NotFetched, DataError: If what it is made of is not in the cache, or damaged.
    """
    return _scene(Use.TRAINING, data_set, _TRAINING[data_set], number)


def development(name: str, number: int) -> Sample:
    """Return a scene to choose settings and thresholds by: of `seen`, `unseen`, `referring` or `stuff`.

    `seen` shows drawings that were not trained on, of names that were.

    Raises:
        As `training`.
    """
    return _scene(Use.DEVELOPMENT, name, _JUDGED[name], number)


def evaluation(name: str, number: int) -> Sample:
    """Return a scene to judge by: one of 500 of `seen`, `unseen`, `photos`, `referring` or `stuff`.

    Raises:
        ValueError: If the set has no such scene.
        KeyError, NotFetched, DataError: As `training`.
    """
    if not 0 <= number < EVALUATION_SCENES:
        raise ValueError(f"{name} has no scene {number}, only 0 to {EVALUATION_SCENES - 1}")
    return _scene(Use.EVALUATION, name, _JUDGED[name], number)


def _scene(use: Use, name: str, known: _Set, number: int) -> Sample:
    rng = np.random.default_rng([zlib.crc32(f"{use}/{name}".encode()), number])
    settings = known.settings
    if use is not Use.TRAINING:
        settings = replace(settings, sizes_px=_JUDGED_PX, mirrors=False)
    return known.make(_materials(use, known.names, known.part), settings, rng, name)


@cache
def _materials(use: Use, names: Names, part: Callable[[Pool], Pool]) -> Materials:
    sentences = UNHEARD_SENTENCES if use is Use.EVALUATION else SENTENCES
    return Materials(part(drawings(use, names)), photographs(use), SHARES[use], sentences)
