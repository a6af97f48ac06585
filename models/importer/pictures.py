"""Real pictures to check and measure with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8

import models
from models.importer.refusal import Refused
from models.vision.images import ImageLimits, decode
from models.vision.preparation import PreparationSettings, prepare

_KINDS: Final = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_LIMITS: Final = ImageLimits(max_bytes=64 << 20, max_pixels=64_000_000, max_side_px=20_000)
EXAMPLES: Final = Path(models.__file__).parents[1] / "examples" / "emoji"
"""What is used when nothing else is named: in a checkout, the demo's pictures."""


@dataclass(frozen=True)
class Pictures:
    """Pictures by set; where sets hold the same names, a name is one thing drawn by several.

    Attributes:
        sets: For each sub-folder its files by name without suffix; or one set, if there are none.
    """

    sets: Mapping[str, Mapping[str, Path]]

    @classmethod
    def of(cls, root: Path) -> Pictures:
        """Look through a folder. Raises Refused if it has no pictures."""
        folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        found = {folder.name: _files(folder) for folder in folders or [root]}
        sets = {name: files for name, files in found.items() if files}
        if not sets:
            raise Refused(f"{root} has no pictures; name a folder that has: --pictures")
        return cls(sets)

    def some(self, count: int) -> list[Path]:
        """Return this many pictures, evenly out of all."""
        everything = [path for files in self.sets.values() for path in files.values()]
        return everything[:: max(1, len(everything) // count)][:count]

    def first(self, count: int) -> list[Path]:
        """Return pictures of the first set, evenly out of it: never among those that `pairs` judges by."""
        everything = list(next(iter(self.sets.values())).values())
        return everything[:: max(1, len(everything) // count)][:count]

    def pairs(self) -> tuple[list[Path], list[Path]]:
        """Return what is remembered and what is asked: the same things, in order, drawn by two.

        The last two sets are taken. Empty where there are not three sets, two of them of the same names.
        """
        if len(self.sets) <= 2:  # noqa: PLR2004  (a pair, and one to calibrate with)
            return [], []
        asked, remembered = list(self.sets.values())[-2:]
        both = sorted(asked.keys() & remembered.keys())
        return [remembered[name] for name in both], [asked[name] for name in both]


def pixels(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """Return a picture's pixels."""
    return decode(path.read_bytes(), limits=_LIMITS)


def crops(paths: list[Path], settings: PreparationSettings) -> UInt8[np.ndarray, "n size size 3"]:
    """Return whole pictures as crops."""
    return np.stack([prepare(pixels(path), settings=settings) for path in paths])


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _KINDS}
