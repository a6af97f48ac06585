"""Asks memories of other artists' pictures what a picture looks like: where training examples come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from models.multimodal.examples import Neighbours
from models.multimodal.features import Features
from models.vision.global_encoder.data import Picture

SHOTS: Final = (1, 2, 4)
_MOST_WORDS: Final = 4


def plain_views(features: Features) -> dict[int, int]:
    """Return the view of each picture as it is, by the picture's place."""
    return {int(features.picture[view]): int(view) for view in np.flatnonzero(features.is_plain)}


class Memories:
    """Pictures of classes by several artists.

    Args:
        pictures: All.
        features: Of their views.
        may: Whether each picture takes part.
    """

    def __init__(self, pictures: Sequence[Picture], features: Features, may: np.ndarray) -> None:
        self.pictures = pictures
        self._embeddings = features.embeddings.astype(np.float32)
        self._plain = plain_views(features)
        self._of_thing: dict[str, list[int]] = {}
        for place, picture in enumerate(pictures):
            if may[place] and picture.thing:
                self._of_thing.setdefault(picture.thing, []).append(place)

    def ask(
        self, place: int, view: int, *, classes: int, shots: int, drawn: np.random.Generator
    ) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Return the pictures of a memory, nearest first, and how near each is.

        Args:
            place: Of the picture that asks; no picture by its artist is in the memory.
            view: Of it.
            classes: In the memory, its own among them.
            shots: Pictures of each, where so many are left.
            drawn: Chooses them.
        """
        asked = self.pictures[place]
        others = [thing for thing in self._of_thing if thing != asked.thing]
        chosen = [others[number] for number in drawn.permutation(len(others))[: classes - 1]]
        known = [
            own[number]
            for thing in (asked.thing, *chosen)
            if (own := [one for one in self._of_thing[thing] if self.pictures[one].artist != asked.artist])
            for number in drawn.permutation(len(own))[:shots]
        ]
        near = self._embeddings[[self._plain[one] for one in known]] @ self._embeddings[view]
        order = np.argsort(-near, kind="stable")
        return np.array(known)[order], near[order]


def emoji_neighbours(
    memories: Memories, asking: Sequence[tuple[int, int]], *, classes: int, count: int, seed: int
) -> Iterator[Neighbours]:
    """Yield what each view of a picture finds in a memory drawn for it, with one, two or four shots.

    Args:
        memories: To ask.
        asking: Places of pictures and a view of each.
        classes: In each memory.
        count: Neighbours that are kept.
        seed: Of the memories.
    """
    drawn = np.random.default_rng(seed)
    for place, view in asking:
        shots = SHOTS[int(drawn.integers(len(SHOTS)))]
        found, _ = memories.ask(place, view, classes=classes, shots=shots, drawn=drawn)
        near = [memories.pictures[one] for one in found[:count]]
        yield Neighbours(
            memories.pictures[place].id,
            memories.pictures[place].label,
            tuple(one.id for one in near),
            tuple(one.label for one in near),
        )


def clipart_neighbours(
    pictures: Sequence[Picture],
    features: Features,
    may: np.ndarray,
    says: Callable[[str], bool],
    *,
    count: int,
) -> Iterator[Neighbours]:
    """Yield pieces of clip art with their own name first, then the names of the pieces most like them.

    Args:
        pictures: All.
        features: Of their views.
        may: Whether each picture takes part.
        says: Whether a name says something.
        count: Names.
    """
    plain = plain_views(features)
    own = [place for place, one in enumerate(pictures) if may[place] and not one.thing and says(one.label)]
    rows = features.embeddings[[plain[place] for place in own]].astype(np.float32)
    for place, row in zip(own, rows, strict=True):
        near = [pictures[own[other]] for other in np.argsort(-(rows @ row), kind="stable")[: 4 * count]]
        truth = pictures[place].label
        labels = list(dict.fromkeys([truth, *(one.label for one in near)]))[:count]
        yield Neighbours(pictures[place].id, truth, tuple(f"name/{label}" for label in labels), tuple(labels))


def says_something(label: str, pieces: Callable[[str], int]) -> bool:
    """Return whether a file's name is made of words and not of its author's syllables.

    Args:
        label: The name.
        pieces: Tokens that a word has.
    """
    said = re.findall(r"[^\W\d_]+", label)
    return 0 < len(said) <= _MOST_WORDS and all(len(word) > 1 and pieces(f" {word}") <= 2 for word in said)  # noqa: PLR2004
