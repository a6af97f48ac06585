"""Which pictures the multimodal model learns from, and which of those classes are held apart to choose by.

Nothing that the project evaluates on is among them: emoji that are withheld, their skin tones, whatever has
their names in its caption, photographs. Of what is left some classes are held apart once more, and no
training step sees a picture or a caption of them: every choice is made on those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int

from models.data.splits import Withheld, captions, words
from models.vision.global_encoder.data import Picture

HELD_APART: Final = 150
FOLDS: Final = 4
_SEED: Final = 8
_LEAKS: Final = 12
"""A class whose name is in the captions of more others is never held apart: too much would go with it."""


@dataclass(frozen=True, eq=False)
class Lot:
    """Pictures with names, and who may learn from them.

    Attributes:
        pictures: Emoji without skin tones, then clip art; nothing that is evaluated on.
        apart: Things that are held apart, by code point.
        left_out: Ids of pictures that are neither learned from nor held apart: their captions tell a name
            that is held apart.
    """

    pictures: tuple[Picture, ...]
    apart: frozenset[str]
    left_out: frozenset[str]

    @property
    def learned(self) -> np.ndarray:
        """Whether each picture is learned from."""
        return np.array(
            [one.thing not in self.apart and one.id not in self.left_out for one in self.pictures]
        )

    @property
    def asked(self) -> np.ndarray:
        """Whether each picture shows a class that is held apart."""
        return np.array([one.thing in self.apart for one in self.pictures])

    @property
    def digest(self) -> str:
        """What differs if any picture, its names or its side does."""
        sides = zip(self.pictures, self.learned, self.asked, strict=True)
        said = "\n".join(f"{one.id} {one.texts} {learned} {asked}" for one, learned, asked in sides)
        return hashlib.sha256(said.encode()).hexdigest()


def lot(every: Sequence[Picture], *, apart: int = HELD_APART) -> Lot:
    """Return what may be learned from, with classes held apart by a seeded draw.

    Args:
        every: As `models.vision.global_encoder.data.pictures` returns them.
        apart: How many classes are drawn.
    """
    pictures = tuple(one for one in every if not one.withheld and not one.tone)
    named = {one.thing: one.texts for one in pictures if one.thing}
    said = {thing: words(captions(texts[:2])) for thing, texts in named.items()}
    things = sorted(named)
    alone = [
        thing for thing in things if sum(words(named[thing][0]) <= other for other in said.values()) <= _LEAKS
    ]
    drawn = np.random.default_rng(_SEED).permutation(len(alone))[:apart]
    chosen = frozenset(alone[place] for place in drawn)
    names = tuple(name for thing in sorted(chosen) if (name := words(named[thing][0])))
    told = Withheld(chosen, frozenset(), names)
    left_out = frozenset(
        one.id for one in pictures if one.thing not in chosen and told.shows(captions(one.texts[:2]))
    )
    return Lot(pictures, chosen, left_out)


def folds(things: Sequence[str], apart: frozenset[str], *, count: int = FOLDS) -> Int[np.ndarray, "n"]:
    """Return the fold of each thing: 0 for those held apart, 1 to count for the others, -1 for no thing."""
    others = sorted({thing for thing in things if thing} - apart)
    drawn = np.random.default_rng(_SEED + 1).permutation(len(others)) % count + 1
    placed = dict(zip(others, drawn.tolist(), strict=True)) | dict.fromkeys(apart, 0)
    return np.array([placed.get(thing, -1) for thing in things])
