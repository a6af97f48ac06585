"""The sets of scenes by name: any scene of any set can be drawn by its number alone.

What a training scene is made of is never in a development or an evaluation scene (see `sources`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from models.segmentation.samples import Sample
from models.segmentation.scenes.compositor import Materials, SceneSettings, named_scene, nameless_scene
from models.segmentation.scenes.sources import Names, Use, drawings, photographs

EVALUATION_SCENES: Final = 500
"""How many scenes each evaluation set has; sets of the other uses have no end."""
_SQUARE: Final = ((512, 512), (512, 384), (384, 512))

Maker = Callable[[Materials, SceneSettings, np.random.Generator, str], Sample]


@dataclass(frozen=True)
class _Set:
    names: Names
    make: Maker
    settings: SceneSettings = field(default_factory=SceneSettings)


_NAMED: Final = _Set(Names.SEEN, named_scene)
_TRAINING: Final[Mapping[str, _Set]] = MappingProxyType(
    {
        "scenes": replace(_NAMED, settings=SceneSettings(synonyms=True)),
        "clipart": _Set(Names.CLIPART, nameless_scene),
    }
)
_JUDGED: Final[Mapping[str, _Set]] = MappingProxyType(
    {
        "seen": _NAMED,
        "unseen": _Set(Names.UNSEEN, named_scene),
        "photos": _Set(Names.PHOTOS, named_scene),
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
        settings = replace(settings, sizes_px=_SQUARE, mirrors=False)
    return known.make(Materials(drawings(use, known.names), photographs(use)), settings, rng, name)
