"""Many things in one picture: sheets on which several artists' pictures stand, with a box around each."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from PIL import Image

from examples.demo.task import Picture
from fovea.client import Box, Recognition

COLUMNS, ROWS = 4, 3
_CELL_PX = 240
_SMALLEST_PX, _LARGEST_PX = 100, 200
_PAPERS = ("#f3e9d8", "#dfe9e6", "#e6e1ee", "#f2dfd9", "#dde6f0", "#e8ecd8")


@dataclass(frozen=True)
class Sheet:
    """One picture of many things.

    Attributes:
        encoded: As WebP.
        width_px: Of the sheet.
        height_px: Of the sheet.
        things: What stands on it.
        boxes: Where each stands.
    """

    encoded: bytes
    width_px: int
    height_px: int
    things: tuple[Picture, ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class SheetAnswer:
    """What came back for a sheet: one region a box, in the same order."""

    sheet: Sheet
    recognition: Recognition

    @property
    def rankings(self) -> tuple[tuple[str, ...], ...]:
        """The labels of each thing, best first; none if the recognition failed."""
        if self.recognition.failed:
            return ((),) * len(self.sheet.things)
        return tuple(tuple(ranked.label for ranked in region.labels) for region in self.recognition.regions)


def draw(things: Sequence[Picture], *, seed: int) -> tuple[Sheet, ...]:
    """Put the pictures on as many sheets as they fill, each at a random place and size in its cell."""
    drawn = random.Random(seed)  # noqa: S311  (no secret)
    shuffled = drawn.sample(things, len(things))
    size = COLUMNS * ROWS
    full = len(shuffled) // size * size
    return tuple(
        _sheet(shuffled[start : start + size], colour, drawn)
        for start, colour in zip(range(0, full, size), cycle(_PAPERS), strict=False)
    )


def _sheet(things: Sequence[Picture], colour: str, drawn: random.Random) -> Sheet:
    width_px, height_px = COLUMNS * _CELL_PX, ROWS * _CELL_PX
    paper = Image.new("RGB", (width_px, height_px), colour)
    boxes = tuple(_paste(paper, thing, place, drawn) for place, thing in enumerate(things))
    packed = io.BytesIO()
    paper.save(packed, "WEBP", quality=90)
    return Sheet(packed.getvalue(), width_px, height_px, tuple(things), boxes)


def _paste(paper: Image.Image, thing: Picture, place: int, drawn: random.Random) -> Box:
    """Draw one picture into its cell and return the box around what is not transparent."""
    side_px = drawn.randint(_SMALLEST_PX, _LARGEST_PX)
    row, column = divmod(place, COLUMNS)
    left = column * _CELL_PX + drawn.randint(0, _CELL_PX - side_px)
    top = row * _CELL_PX + drawn.randint(0, _CELL_PX - side_px)
    with Image.open(thing.path) as opened:
        picture = opened.convert("RGBA").resize((side_px, side_px), Image.Resampling.LANCZOS)
    paper.paste(picture, (left, top), picture)
    inside = picture.getchannel("A").point(lambda alpha: 255 * (alpha > 127)).getbbox()  # noqa: PLR2004  (half)
    return _shifted(inside or (0, 0, side_px, side_px), left, top)


def _shifted(box: tuple[int, int, int, int], right: int, down: int) -> Box:
    return Box(box[0] + right, box[1] + down, box[2] + right, box[3] + down)
