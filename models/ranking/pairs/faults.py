"""What may be wrong with a surface: something else shows in a place of it, or everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw, ImageFilter

Window = tuple[int, int, int]
"""Top, left and side."""
Part = Float32[np.ndarray, "h w 3"]
_EVERYWHERE_SHARE: Final = 0.4
_MOST_AT_ONCE: Final = 3


@dataclass(frozen=True, eq=False)
class Sheet:
    """A wide sheet of a surface, one of something else, and one like it with other parameters."""

    sheets: tuple[Part, ...]

    def window(self, drawn: np.random.Generator, size: int) -> Window:
        """Return top, left and side of a window."""
        most = len(self.sheets[0]) - size
        return int(drawn.integers(most)), int(drawn.integers(most)), size

    def part(self, sheet: int, window: Window) -> Part:
        """Return what a window shows of a sheet."""
        top, left, size = window
        return self.sheets[sheet][top : top + size, left : left + size]


@dataclass(frozen=True)
class Fault:
    """One class's fault; every picture has it in other places.

    Attributes:
        instead: What shows there: one of INSTEAD.
        amount: From 0 to 1, how far that is from sound.
        shape: Of the places: one of SHAPES; empty: everywhere.
        size: Of a place, as a share of the picture.
        most: Places.
        angle: Of lines, in degrees.
    """

    instead: str
    amount: float
    shape: str
    size: float
    most: int
    angle: float

    @property
    def sign(self) -> int:
        """More or less, as often."""
        return 1 if self.angle < 90 else -1  # noqa: PLR2004  (half of 180)


def fault(drawn: np.random.Generator) -> Fault:
    """Return a fault by chance."""
    everywhere = drawn.random() < _EVERYWHERE_SHARE
    names = sorted(set(INSTEAD) - _IN_PLACES) if everywhere else sorted(INSTEAD)
    return Fault(
        instead=names[int(drawn.integers(len(names)))],
        amount=float(drawn.uniform(0.15, 0.6) if everywhere else drawn.uniform(0.3, 1.0)),
        shape="" if everywhere else SHAPES[int(drawn.integers(len(SHAPES)))],
        size=float(0.08 * 5 ** drawn.random()),
        most=int(drawn.integers(1, _MOST_AT_ONCE + 1)),
        angle=float(drawn.uniform(0, 180)),
    )


def faulty(sheet: Sheet, window: Window, kind: Fault, drawn: np.random.Generator) -> Part:
    """Return what a window shows with a fault."""
    sound = sheet.part(0, window)
    instead = INSTEAD[kind.instead](sheet, window, kind, drawn)
    if not kind.shape:
        return instead
    mask = np.zeros(sound.shape[:2], np.float32)
    for _ in range(int(drawn.integers(1, kind.most + 1))):
        mask = np.maximum(mask, _place(kind, window[2], drawn))
    return np.asarray(sound + mask[..., None] * (instead - sound))


def _place(kind: Fault, side: int, drawn: np.random.Generator) -> Float32[np.ndarray, "side side"]:
    """Return 1 in one place and 0 elsewhere, with soft edges."""
    image = Image.new("L", (side, side))
    pen = ImageDraw.Draw(image)
    x, y = drawn.uniform(0.1 * side, 0.9 * side, 2).tolist()
    wide, tall = (kind.size * side * drawn.uniform(0.6, 1.4, 2) / 2).tolist()
    if kind.shape == "ellipse":
        pen.ellipse((x - wide, y - tall, x + wide, y + tall), fill=255)
    elif kind.shape == "rectangle":
        pen.rectangle((x - wide, y - tall, x + wide, y + tall), fill=255)
    else:
        angle = np.deg2rad(kind.angle + drawn.normal(0, 8))
        reach = side if kind.shape == "band" else 2 * wide
        dx, dy = reach * np.cos(angle), reach * np.sin(angle)
        pen.line((x - dx, y - dy, x + dx, y + dy), fill=255, width=max(2, round(0.06 * tall + 1.5)))
    soft = image.filter(ImageFilter.GaussianBlur(0.6 + 2.5 * kind.size * kind.most))
    return np.asarray(soft, dtype=np.float32) / 255


def _tinted(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    sound = sheet.part(0, window)
    turn = np.deg2rad(4 * kind.angle) + np.array([0.0, 2.1, 4.2])
    return np.asarray(np.clip(sound + kind.amount * 80 * np.cos(turn), 0, 255), np.float32)


def _lit(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    return np.clip(sheet.part(0, window) + kind.sign * kind.amount * 70, 0, 255).astype(np.float32)


def _flat(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    sound = sheet.part(0, window)
    shade = sound.mean((0, 1)) * (1 + 0.9 * kind.sign * kind.amount)
    return np.broadcast_to(np.clip(shade, 0, 255), sound.shape).astype(np.float32)


def _blurred(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    return _filtered(sheet.part(0, window), ImageFilter.GaussianBlur(0.5 + 4 * kind.amount))


def _noisy(sheet: Sheet, window: Window, kind: Fault, drawn: np.random.Generator) -> Part:
    sound = sheet.part(0, window)
    noise = drawn.normal(0, 60 * kind.amount, (*sound.shape[:2], 1))
    return np.asarray(np.clip(sound + noise, 0, 255), np.float32)


def _contrasted(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    sound = sheet.part(0, window)
    middle = sound.mean((0, 1))
    times = 1 + (1.2 if kind.sign > 0 else -0.9) * kind.amount
    return np.asarray(np.clip(middle + times * (sound - middle), 0, 255), np.float32)


def _shifted(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    angle, far = np.deg2rad(kind.angle), 3 + 17 * kind.amount
    shift = round(float(far * np.sin(angle))), round(float(far * np.cos(angle)))
    return Sheet((np.roll(sheet.sheets[0], shift, axis=(0, 1)),)).part(0, window)


def _turned(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    return _mapped(sheet, window, 90 * kind.sign * kind.amount, 1.0)


def _zoomed(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    return _mapped(sheet, window, 0.0, (1.0 + 0.9 * kind.amount) ** kind.sign)


def _other(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    return sheet.part(0, window) * (1 - kind.amount) + sheet.part(1, window) * np.float32(kind.amount)


def _sibling(sheet: Sheet, window: Window, kind: Fault, _: np.random.Generator) -> Part:
    return sheet.part(0, window) * (1 - kind.amount) + sheet.part(2, window) * np.float32(kind.amount)


INSTEAD: Final[dict[str, Callable[[Sheet, Window, Fault, np.random.Generator], Part]]] = {
    "tinted": _tinted,
    "lit": _lit,
    "flat": _flat,
    "blurred": _blurred,
    "noisy": _noisy,
    "contrasted": _contrasted,
    "shifted": _shifted,
    "turned": _turned,
    "zoomed": _zoomed,
    "other": _other,
    "sibling": _sibling,
}
SHAPES: Final = ("ellipse", "rectangle", "line", "band")
_IN_PLACES: Final = frozenset(("flat", "shifted"))
"""What is no fault, or leaves nothing, where it is everywhere."""


def _filtered(part: Part, how: ImageFilter.GaussianBlur) -> Part:
    return np.asarray(Image.fromarray(part.astype(np.uint8)).filter(how), dtype=np.float32)


def _mapped(sheet: Sheet, window: Window, angle: float, zoom: float) -> Part:
    """Return what a window shows of the sheet turned by degrees and enlarged about the window's middle."""
    top, left, size = window
    turn = np.deg2rad(angle)
    cos, sin, half = np.cos(turn) / zoom, np.sin(turn) / zoom, size / 2
    x, y = left + half + size, top + half + size  # the sheet is continued by its mirror
    affine = (cos, sin, x - half * (cos + sin), -sin, cos, y - half * (cos - sin))
    wide = np.pad(sheet.sheets[0].astype(np.uint8), ((size, size), (size, size), (0, 0)), mode="reflect")
    shown = Image.fromarray(wide).transform(
        (size, size), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
    )
    return np.asarray(shown, dtype=np.float32)
