"""Regions in text: whole numbers on a grid of 0 to 999, and the brackets that name them.

Source: Ferret (You et al., arXiv 2310.07704): width and height of any picture are mapped to one grid; a
box is written `[x1, y1, x2, y2]`, a point `[x, y]`, each behind the words that it belongs to.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from models.vision.boxes import Box
from models.vision.regions import Point, Region, bounds

GRID_END = 999
Coordinates = tuple[int, int] | tuple[int, int, int, int]
"""A point, or a box: left, top, right, bottom."""

_POINT = 2
_BOX = 4
_BRACKET = re.compile(r"\[([^\[\]]*)\]|[\[\]]")
_NUMBER = re.compile(r"[0-9]{1,3}")
_TOKEN = re.compile(r"<[^<>\s]*>")
_CLAUSE_END = re.compile(r"[.,;:!?()\n]")
_SENTENCE_END = re.compile(r"[.!?\n]")
_LEADING = re.compile(r"\s*(?:(?:and|or)\b)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Reference:
    """A region in a text.

    Attributes:
        phrase: The words that it belongs to; several regions in a row share theirs.
        coordinates: On the grid, ordered.
        start: Of its bracket in the text.
        end: After the bracket.
    """

    phrase: str
    coordinates: Coordinates
    start: int
    end: int


@dataclass(frozen=True)
class Malformed:
    """A bracket that is no region: what stands there, where, and why it is none."""

    text: str
    start: int
    reason: str


@dataclass(frozen=True)
class Parsed:
    """What a text refers to, and what looks as if it should."""

    references: tuple[Reference, ...]
    malformed: tuple[Malformed, ...]


def to_grid(region: Region, *, width_px: int, height_px: int) -> Coordinates:
    """Return a point's position, or the box around any other region, cut at the picture's border.

    Each number is at most half a cell from what it stands for: 0 is the first edge, 999 the last.

    Raises:
        EmptyMaskError: If a region other than a point has no pixel in the picture.
    """
    if isinstance(region, Point):
        return _cell(region.x, width_px), _cell(region.y, height_px)
    if isinstance(region, Box):
        region = Box(
            min(region.left, region.right),
            min(region.top, region.bottom),
            max(region.left, region.right),
            max(region.top, region.bottom),
        )
    box = bounds(region, width_px=width_px, height_px=height_px)
    left, right = _cell(float(box.left), width_px), _cell(float(box.right), width_px)
    return left, _cell(float(box.top), height_px), right, _cell(float(box.bottom), height_px)


def to_pixels(coordinates: Coordinates, *, width_px: int, height_px: int) -> tuple[float, ...]:
    """Return the positions, or edges, in pixels. Numbers beyond the grid are taken for its border."""
    sizes = (width_px, height_px) * (len(coordinates) // 2)
    pairs = zip(coordinates, sizes, strict=True)
    return tuple(min(max(number, 0), GRID_END) * size / GRID_END for number, size in pairs)


def region(coordinates: Coordinates, *, width_px: int, height_px: int) -> Point | Box:
    """Return a point, or the box of the nearest whole pixels, at least one in each direction.

    In a picture of up to 999 pixels a side, that is the very box that `to_grid` was given.
    """
    found = to_pixels(coordinates, width_px=width_px, height_px=height_px)
    if len(found) == _POINT:
        return Point(*found)
    (left, right), (top, bottom) = _edges(found[0::2], width_px), _edges(found[1::2], height_px)
    return Box(left, top, right, bottom)


def write(coordinates: Coordinates) -> str:
    """Return `[x, y]` or `[x1, y1, x2, y2]`."""
    return f"[{', '.join(map(str, coordinates))}]"


def parse(text: str) -> Parsed:
    """Return the regions of a text with their phrases, and every bracket that is none.

    A phrase is what stands between a bracket and the clause before it, without "and" or "or" in
    front; `<tokens>` do not count. A bracket holds two or four whole numbers of 0 to 999 and nothing
    else: it is compared with a pattern, and never evaluated. Corners in the wrong order are put in
    order. The time taken grows with the text's length alone.
    """
    references: list[Reference] = []
    malformed: list[Malformed] = []
    phrase, after = "", 0
    for bracket in _BRACKET.finditer(text):
        before = text[after : bracket.start()]
        phrase = _phrase(before) or ("" if _SENTENCE_END.search(before) else phrase)
        after = bracket.end()
        read = _coordinates(bracket[1])
        if isinstance(read, str):
            malformed.append(Malformed(bracket[0], bracket.start(), read))
        else:
            references.append(Reference(phrase, read, bracket.start(), bracket.end()))
    return Parsed(tuple(references), tuple(malformed))


def _cell(position: float, size: int) -> int:
    return math.floor(min(max(position / size, 0.0), 1.0) * GRID_END + 0.5)


def _edges(pair: tuple[float, ...], size: int) -> tuple[int, int]:
    low, high = (math.floor(edge + 0.5) for edge in sorted(pair))
    low = min(low, size - 1)
    return low, max(high, low + 1)


def _phrase(before: str) -> str:
    clause = _CLAUSE_END.split(_TOKEN.sub(" ", before).rstrip(" ,;:("))[-1]
    return _LEADING.sub("", clause, count=1).strip()


def _coordinates(inside: str | None) -> Coordinates | str:
    """Return the numbers of a bracket, or why they are none."""
    if inside is None:
        return "the bracket has no other side"
    parts = [part.strip() for part in inside.split(",")]
    if not all(map(_NUMBER.fullmatch, parts)):
        return f"a region is whole numbers of 0 to {GRID_END}"
    numbers = [int(part) for part in parts]
    if len(numbers) == _POINT:
        return numbers[0], numbers[1]
    if len(numbers) == _BOX:
        (left, right), (top, bottom) = sorted(numbers[0::2]), sorted(numbers[1::2])
        return left, top, right, bottom
    return f"a region has 2 or 4 numbers, not {len(numbers)}"
