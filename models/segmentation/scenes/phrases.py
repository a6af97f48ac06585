"""Phrases about the things of a scene, and exactly which things each is true of.

A phrase is only made where its truth is beyond doubt: no star stands half left and half right when
"the star on the left" is asked for, and none is of two colours when "the red star" is. Many phrases are
true of several things, many of none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from models.data.splits import words
from models.segmentation.scenes.colours import COLOURS

_HALF_GAP: Final = 0.08
_CENTRE: Final = (0.12, 0.2)
_ORDER_GAP: Final = 0.05
_SIZE_RATIO: Final = 1.3
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")
_NUMBERS: Final = ("two", "three", "four", "five", "six")
_ABSENT_ORDINALS: Final = 2
_IRREGULAR: Final = words(
    "man woman person people child fish sheep deer ox mouse goose tooth foot leaf wolf knife loaf calf shelf "
    "scarf half thief elf dwarf bison shrimp squid aircraft"
)


class Aspect(StrEnum):
    """What a phrase tells things apart by."""

    NAME = "name"
    COLOUR = "colour"
    POSITION = "position"
    SIZE = "size"
    NUMBER = "number"
    ABSENCE = "absence"


@dataclass(frozen=True)
class Fact:
    """What is known of a thing.

    Attributes:
        name: What it is.
        colour: None if no colour of it is clear.
        across: Where its middle is, as a share of the picture's width.
        down: As a share of the height.
        size: Square root of the area seen, in pixels.
    """

    name: str
    colour: str | None
    across: float
    down: float
    size: float


@dataclass(frozen=True)
class Claim:
    """What is said of some things.

    Attributes:
        text: A description, without an article.
        answers: Places of the things it is true of.
        aspect: What it tells them apart by.
        single: Whether it can only be true of one thing, or of all of a number.
    """

    text: str
    answers: frozenset[int]
    aspect: Aspect
    single: bool = False


@dataclass(frozen=True)
class Group:
    """Things that one noun is true of: all of them, by place."""

    noun: str
    facts: Mapping[int, Fact]

    def where(self, holds: Callable[[Fact], bool]) -> frozenset[int]:
        """Return the places of the things of which something holds."""
        return frozenset(place for place, fact in self.facts.items() if holds(fact))

    def ordered(self, key: Callable[[Fact], float]) -> list[int]:
        """Return the places by rising key."""
        return sorted(self.facts, key=lambda place: key(self.facts[place]))


def group(noun: str, facts: Sequence[Fact], *, name: str | None = None) -> Group:
    """Return the things of a name; None: all things."""
    chosen = {place: fact for place, fact in enumerate(facts) if name in (None, fact.name)}
    return Group(noun, MappingProxyType(chosen))


def claims(things: Group) -> list[Claim]:
    """Return what can be said without doubt of a group: true of some of its things, or of none."""
    made = [
        Claim(things.noun, frozenset(things.facts), Aspect.NAME),
        *_by_number(things),
        *_by_colour(things),
    ]
    made += _by_place_and_size(things)
    for coloured in by_colour(things):
        made += _by_place_and_size(coloured)
    return made


def by_colour(things: Group) -> Iterator[Group]:
    """Yield the things of each colour; nothing if the colour of one is not clear."""
    if all(fact.colour for fact in things.facts.values()):
        for colour in dict.fromkeys(fact.colour for fact in things.facts.values()):
            places = {place: fact for place, fact in things.facts.items() if fact.colour == colour}
            yield Group(f"{colour} {things.noun}", MappingProxyType(places))


def _by_colour(things: Group) -> Iterator[Claim]:
    present = list(by_colour(things))
    for coloured in present:
        here = frozenset(coloured.facts)
        yield Claim(coloured.noun, here, Aspect.COLOUR)
        colour = next(iter(coloured.facts.values())).colour
        others = frozenset(things.facts) - here
        yield Claim(f"{things.noun} that is not {colour}", others, Aspect.ABSENCE)
    if present:
        had = {fact.colour for fact in things.facts.values()}
        for colour in COLOURS:
            if colour not in had:
                yield Claim(f"{colour} {things.noun}", frozenset(), Aspect.COLOUR)


def _by_place_and_size(things: Group) -> Iterator[Claim]:
    yield from _by_half(things)
    yield from _in_the_middle(things)
    yield from _by_order(things, lambda fact: fact.across, "left", "right")
    yield from _by_order(things, lambda fact: fact.down, "top", "bottom")
    yield from _by_extent(things)


def _by_half(things: Group) -> Iterator[Claim]:
    across = _clear(fact.across for fact in things.facts.values())
    down = _clear(fact.down for fact in things.facts.values())
    left, top = things.where(lambda fact: fact.across < 0.5), things.where(lambda fact: fact.down < 0.5)  # noqa: PLR2004
    all_of_them = frozenset(things.facts)
    sides = {"on the left": left, "on the right": all_of_them - left} if across else {}
    if down:
        sides |= {"in the upper half": top, "in the lower half": all_of_them - top}
    if across and down:
        sides |= {"at the top left": left & top, "at the top right": top - left}
        sides |= {"at the bottom left": left - top, "at the bottom right": all_of_them - left - top}
    for where, answers in sides.items():
        yield Claim(f"{things.noun} {where}", answers, Aspect.POSITION)
    if across and 0 < len(left) < len(all_of_them):
        yield Claim(f"{things.noun} that is not on the left", all_of_them - left, Aspect.ABSENCE)
        yield Claim(f"{things.noun} that is not on the right", left, Aspect.ABSENCE)


def _clear(shares: Iterator[float]) -> bool:
    return all(abs(share - 0.5) > _HALF_GAP for share in shares)


def _in_the_middle(things: Group) -> Iterator[Claim]:
    near, far = _CENTRE
    off = {p: max(abs(fact.across - 0.5), abs(fact.down - 0.5)) for p, fact in things.facts.items()}
    if all(not near <= each <= far for each in off.values()):
        answers = frozenset(place for place, each in off.items() if each < near)
        yield Claim(f"{things.noun} in the middle", answers, Aspect.POSITION)


def _by_order(things: Group, key: Callable[[Fact], float], first: str, last: str) -> Iterator[Claim]:
    """Yield who is first, second, ... from either side, where all stand clearly one after the other."""
    order = things.ordered(key)
    shares = [key(things.facts[place]) for place in order]
    gaps = [after - before for before, after in pairwise(shares)]
    if not gaps:
        return
    most = {"left": "leftmost", "right": "rightmost", "top": "topmost", "bottom": "bottommost"}
    for side, there, gap in ((first, order, gaps[0]), (last, order[::-1], gaps[-1])):
        if gap >= _ORDER_GAP:
            yield Claim(f"{most[side]} {things.noun}", frozenset(there[:1]), Aspect.POSITION, single=True)
        if min(gaps) >= _ORDER_GAP:
            for number, ordinal in enumerate(_ORDINALS[: len(order) + _ABSENT_ORDINALS]):
                answers = frozenset(there[number : number + 1])
                yield Claim(f"{ordinal} {things.noun} from the {side}", answers, Aspect.NUMBER, single=True)


def _by_extent(things: Group) -> Iterator[Claim]:
    order = things.ordered(lambda fact: fact.size)
    sizes = [things.facts[place].size for place in order]
    if len(order) > 1 and sizes[-1] >= _SIZE_RATIO * sizes[-2]:
        yield Claim(f"biggest {things.noun}", frozenset(order[-1:]), Aspect.SIZE, single=True)
        yield Claim(f"largest {things.noun}", frozenset(order[-1:]), Aspect.SIZE, single=True)
    if len(order) > 1 and sizes[1] >= _SIZE_RATIO * sizes[0]:
        yield Claim(f"smallest {things.noun}", frozenset(order[:1]), Aspect.SIZE, single=True)


def _by_number(things: Group) -> Iterator[Claim]:
    """Yield how many there are, and that there were more; not that there are fewer, which is true, too."""
    plural = plural_of(things.noun)
    for count, number in enumerate(_NUMBERS, 2):
        if plural and count >= len(things.facts):
            answers = frozenset(things.facts) if count == len(things.facts) else frozenset[int]()
            yield Claim(f"{number} {plural}", answers, Aspect.NUMBER, single=True)


def plural_of(noun: str) -> str | None:
    """Return the plural of a noun of one or two words; None where adding an s would not make one."""
    parts = noun.split()
    last = parts[-1]
    if len(parts) > 2 or not last.isalpha() or last in _IRREGULAR or last.endswith(("s", "ing", "f", "fe")):  # noqa: PLR2004
        return None
    if last.endswith(("x", "z", "ch", "sh")):
        return f"{noun}es"
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"
