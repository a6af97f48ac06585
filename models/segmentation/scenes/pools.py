"""Drawings that scenes are made of, grouped by what they show, and which names cannot stand side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import UInt8

from models.data.splits import words

_TRIES: Final = 30


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture of one thing with nothing around it.

    Attributes:
        id: Of its row in the data set.
        label: Of what it shows: a code point, or the name of a photograph; its id where that is not known.
        name: What it is asked for by; empty where that is not known.
        synonym: Another name of the same thing.
        rgba: Colours and how opaque each pixel is.
        turns: Whether it shows the same thing when turned by more than a little.
        mirrors: Whether its mirror image shows the same thing.
    """

    id: str
    label: str
    name: str
    synonym: str
    rgba: UInt8[np.ndarray, "_ _ 4"]
    turns: bool = True
    mirrors: bool = False


@dataclass(frozen=True, eq=False)
class Pool:
    """Drawings by what they show.

    Attributes:
        groups: The drawings of each label; all of a label have the same names.
        said: Words of each of a label's names.
        alike: Labels that share a picture with another label.
    """

    groups: Mapping[str, tuple[Drawing, ...]]
    said: Mapping[str, tuple[frozenset[str], ...]]
    alike: Mapping[str, frozenset[str]]

    @property
    def labels(self) -> tuple[str, ...]:
        """What is shown, each once."""
        return tuple(self.groups)

    def name(self, label: str) -> str:
        """Return what a label is asked for by."""
        return self.groups[label][0].name

    def clash(self, one: str, other: str) -> bool:
        """Whether one label's name may be true of a thing of the other, too: "cat" of "black cat".

        So it is if the words of one contain the other's, or both have the same picture.
        """
        if other in self.alike.get(one, ()):
            return True
        return any(clash(a, b) for a in self.said[one] for b in self.said[other])

    def drawn(self, count: int, taken: Iterable[str], rng: np.random.Generator) -> list[str]:
        """Return labels at random, of which none clashes with another or with one that is taken.

        There are fewer than `count` if the pool has no more, or chance does not find them.
        """
        apart = list(taken)
        known = self.labels
        found: list[str] = []
        for _ in range(_TRIES * count):
            if len(found) == count:
                break
            label = known[int(rng.integers(len(known)))]
            if label not in apart and not any(self.clash(label, other) for other in apart):
                apart.append(label)
                found.append(label)
        return found


def pool(drawings: Iterable[Drawing], alike: Mapping[str, frozenset[str]] = MappingProxyType({})) -> Pool:
    """Return drawings as a pool. Those whose names have no letter or digit are left out."""
    groups: dict[str, list[Drawing]] = defaultdict(list)
    for each in drawings:
        if not each.name or words(each.name):
            groups[each.label].append(each)
    said = {
        label: tuple({words(text) for text in (group[0].name, group[0].synonym) if words(text)})
        for label, group in groups.items()
    }
    return Pool({label: tuple(group) for label, group in groups.items()}, said, alike)


def clash(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether the words of one name contain those of the other, so that one may be true of both."""
    return one <= other or other <= one
