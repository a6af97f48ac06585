"""Surfaces by rule, sound and with faults: classes that differ as cloth does and drawings do not.

Each surface is one wide sheet of a family's texture with parameters of its own. A class of it is sound, has a
fault in some place, or is changed everywhere; a picture is a window of the sheet. Nothing stays the same from
surface to surface, so that what is learned is how pictures of one surface differ, not how one looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from models.ranking.pairs import faults
from models.ranking.pairs.faults import Fault, Sheet
from models.segmentation.scenes.textures import TEXTURES, Draws, Texture

SURFACES: Final = 155
CLASSES: Final = 5
PICTURES: Final = 6
SIDE_PX: Final = 224
_SHEET_PX: Final = 640
_GREY_SHARE: Final = 0.5
_APART: Final = 36
_SEED: Final = 21
_SEAM: Final = 0.44
_LIGHT: Final = 6.0
"""Standard deviation of a picture's brightness, of 255."""

Field = Float32[np.ndarray, "h w"]


def weave(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Threads over and under each other in turn."""
    return _woven(width_px, height_px, draws, over=2)


def twill(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Threads over two and under two, one further in each row."""
    return _woven(width_px, height_px, draws, over=4)


def knit(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Columns of loops."""
    down, across = np.mgrid[:height_px, :width_px].astype(np.float32)
    wide = draws.period(8.0, 28.0)
    loop = np.abs((across / wide) % 1 - 0.5)
    tall, bend = draws.between(0.6, 1.1) * wide, draws.between(0.7, 1.5)
    field = 0.5 + 0.35 * np.sin(2 * np.pi * (down / tall + bend * loop))
    field = field * (1 - 0.6 * (loop > _SEAM)) + 0.12 * draws.noise(width_px, height_px, (3.0, 3.0))
    return _two(np.clip(field, 0, 1), draws)


def haze(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Noise that is smooth over one length across and another down, turned."""
    return _two(_streaks(width_px, height_px, draws, (1.5, 9.0)), draws)


def brushed(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Long, fine scratches all one way."""
    fine = draws.noise(width_px, height_px, (draws.period(60.0, 200.0), 1.6))
    return _two(0.8 * fine + 0.2 * draws.turbulence(width_px, height_px, 120.0), draws)


def speckle(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Specks on an even ground."""
    cell = draws.period(2.0, 12.0)
    return _two(draws.noise(width_px, height_px, (cell, cell)) > draws.between(0.5, 0.8), draws)


def hide(width_px: int, height_px: int, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Rounded cells with dark creases, as leather has."""
    cell = draws.period(8.0, 36.0)
    field = np.abs(2 * draws.turbulence(width_px, height_px, cell) - 1) * 2
    return _two(np.clip(field, 0, 1) ** 0.5, draws)


FAMILIES: Final[Mapping[str, Texture]] = MappingProxyType(
    dict(TEXTURES) | {each.__name__: each for each in (weave, twill, knit, haze, brushed, speckle, hide)}
)
APART: Final = frozenset(("plaid", "sand", "honeycomb", "marble", "weave", "brushed"))
"""Families that nothing is learned from: choices are made on them."""


@dataclass(frozen=True, eq=False)
class Surface:
    """One surface in several classes, the first of which is sound.

    Attributes:
        family: What it is made of.
        classes: Pictures of each class.
    """

    family: str
    classes: tuple[UInt8[np.ndarray, "n 224 224 3"], ...]


def families() -> tuple[str, ...]:
    """Return what each surface is made of that is learned from, and then of those held apart."""
    learned, apart = sorted(set(FAMILIES) - APART), sorted(APART)
    count = SURFACES - _APART
    return (
        *(learned[number % len(learned)] for number in range(count)),
        *(apart[number % len(apart)] for number in range(_APART)),
    )


def surfaces() -> Iterator[Surface]:
    """Yield all surfaces, the same in every run."""
    for number, family in enumerate(families()):
        yield surface(family, np.random.default_rng((_SEED, number)), classes=CLASSES, pictures=PICTURES)


def surface(family: str, drawn: np.random.Generator, *, classes: int, pictures: int) -> Surface:
    """Return a surface of a family with faults of its own.

    Args:
        family: One of FAMILIES.
        drawn: All chance.
        classes: Sound, and so many less one that are not.
        pictures: Of each class.
    """
    sheet = _sheet(family, drawn)
    others = sorted(set(FAMILIES) - {family})
    other, sibling = _sheet(others[int(drawn.integers(len(others)))], drawn), _sheet(family, drawn)
    sheets = Sheet(_grey_as(drawn, sheet, other, sibling))
    kinds: list[Fault | None] = [None, *(faults.fault(drawn) for _ in range(classes - 1))]
    size = int(SIDE_PX * drawn.uniform(0.7, 1.0))
    return Surface(
        family, tuple(np.stack(list(_pictures(sheets, kind, drawn, size, pictures))) for kind in kinds)
    )


def _pictures(
    sheet: Sheet, kind: Fault | None, drawn: np.random.Generator, size: int, pictures: int
) -> Iterator[UInt8[np.ndarray, "224 224 3"]]:
    for _ in range(pictures):
        window = sheet.window(drawn, size)
        seen = sheet.part(0, window) if kind is None else faults.faulty(sheet, window, kind, drawn)
        lit = np.clip(seen + drawn.normal(0, _LIGHT) + drawn.normal(0, 2, seen.shape), 0, 255).astype(
            np.uint8
        )
        yield np.asarray(Image.fromarray(lit).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))


def _sheet(family: str, drawn: np.random.Generator) -> UInt8[np.ndarray, "side side 3"]:
    return FAMILIES[family](_SHEET_PX, _SHEET_PX, Draws(drawn))


def _grey_as(
    drawn: np.random.Generator, *sheets: UInt8[np.ndarray, "side side 3"]
) -> tuple[Float32[np.ndarray, "side side 3"], ...]:
    """Return all sheets as they are, or all without colour."""
    found = tuple(each.astype(np.float32) for each in sheets)
    if drawn.random() >= _GREY_SHARE:
        return found
    return tuple(np.repeat(each.mean(2, keepdims=True), 3, axis=2) for each in found)


def _woven(width_px: int, height_px: int, draws: Draws, *, over: int) -> UInt8[np.ndarray, "h w 3"]:
    down, across = np.mgrid[:height_px, :width_px].astype(np.float32)
    thread = draws.period(4.0, 22.0)
    row, column = np.floor(down / thread), np.floor(across / thread)
    above = (column + row) % over < over / 2
    round_across, round_down = (np.sin(np.pi * (axis / thread % 1)) for axis in (across, down))
    field = np.where(above, round_across, draws.between(0.5, 0.95) * round_down)
    slack = draws.noise(width_px, height_px, (1.5 * thread, 1.5 * thread))
    return _two(0.75 * field + 0.25 * slack, draws)


def _streaks(width_px: int, height_px: int, draws: Draws, cells_px: tuple[float, float]) -> Field:
    """Return noise that is longer one way than the other, turned by an angle, from 0 to 1."""
    side = int(1.5 * max(width_px, height_px))
    noise = draws.noise(side, side, (draws.period(*cells_px), draws.period(*cells_px)))
    turned = Image.fromarray(noise).rotate(draws.between(0.0, 180.0), Image.Resampling.BILINEAR)
    top, left = (side - height_px) // 2, (side - width_px) // 2
    return np.asarray(turned, dtype=np.float32)[top : top + height_px, left : left + width_px]


def _two(field: np.ndarray, draws: Draws) -> UInt8[np.ndarray, "h w 3"]:
    """Return a field from 0 to 1 between two colours."""
    low = np.array(draws.colour((0.0, 360.0), (0.0, 0.8), (0.05, 0.6)))
    high = np.array(draws.colour((0.0, 360.0), (0.0, 0.6), (0.55, 1.0)))
    return np.asarray(low + (high - low) * np.asarray(field, np.float32)[..., None]).astype(np.uint8)
