"""The recipe of the global encoder: what is fitted to which rows, in which order, with which constants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32

from models.vision.global_encoder.data import Picture
from models.vision.global_encoder.fitting import (
    Affine,
    Exemplars,
    class_means,
    codes,
    discriminant,
    exemplars,
    principal,
    unit,
)
from models.vision.global_encoder.readings import Readings

COMMON_ARTISTS: Final = frozenset(("", "openmoji"))
"""Whose pictures no evaluation asks for: the reductions are fitted to these, the same for every run."""

_BLOCK: Final = 4096

ReadTexts = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """All constants; chosen with openmoji held out and 300 other names, see the model card.

    Attributes:
        reduced: Numbers that are kept of each part of what is read.
        dimensions: Of the discriminant.
        ridge: Of the discriminant.
        tone_dimensions: Of the skin tone.
        tone_ridge: Of the skin tone.
        tone_weight: Of the skin tone beside the discriminant.
        name_dimensions: Leading numbers of the discriminant that stand among names.
        sharpness: Of the texts' kernel.
        text_ridge: Of the texts' regression.
        clipart_weight: Of a piece of clip art beside a class of emoji.
        bridge_weight: Of ImageNet's names beside the exemplars.
        seed: Of the reductions.
    """

    reduced: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType(
            {"head": 400, "stages": 240, "edges": 256, "pixels": 200, "places": 320, "colours": 200}
        )
    )
    dimensions: int = 384
    ridge: float = 0.1
    tone_dimensions: int = 4
    tone_ridge: float = 0.03
    tone_weight: float = 0.3
    name_dimensions: int = 256
    sharpness: float = 1.0
    text_ridge: float = 0.1
    clipart_weight: float = 0.3
    bridge_weight: float = 0.4
    seed: int = 0

    @property
    def digest(self) -> str:
        """What differs if any constant does."""
        said = repr((dict(self.reduced), [value for key, value in vars(self).items() if key != "reduced"]))
        return hashlib.sha256(said.encode()).hexdigest()[:12]


@dataclass(frozen=True, eq=False)
class Fitted:
    """Every matrix of the two encoders."""

    reductions: tuple[Affine, ...]
    discriminant: Affine
    tone: Affine
    exemplars: Exemplars


@dataclass(frozen=True, eq=False)
class Lesson:
    """What was read from pictures, and of which pictures may be learned.

    Attributes:
        pictures: All that were read.
        seen: What was read from them.
        sizes: Numbers of each part in a row, in their order.
        chosen: Ids of the pictures that may be learned from; of the others no row is looked at.
    """

    pictures: Sequence[Picture]
    seen: Readings
    sizes: Mapping[str, int]
    chosen: frozenset[str]

    @property
    def may(self) -> Bool[np.ndarray, "picture"]:
        """Whether each picture may be learned from."""
        return np.array([picture.id in self.chosen for picture in self.pictures])

    def parts(self) -> dict[str, slice]:
        """Return where each part stands in a row."""
        ends = list(accumulate(self.sizes.values()))
        return {
            name: slice(end - size, end) for (name, size), end in zip(self.sizes.items(), ends, strict=True)
        }


def fit(lesson: Lesson, read: ReadTexts, recipe: Recipe) -> Fitted:
    """Return the encoders that follow from a lesson.

    Args:
        lesson: What is learned from.
        read: Centred unit-norm embeddings of texts.
        recipe: How.
    """
    pictures, seen, may = lesson.pictures, lesson.seen, lesson.may
    reductions = reduced_parts(lesson, recipe)
    wanted = may[seen.picture]
    rows = reduce_all(lesson, reductions, wanted)
    place, plain = seen.picture[wanted], seen.is_plain[wanted]
    things = np.array([picture.thing for picture in pictures])[place]
    base = (things != "") & ~np.array([picture.tone != "" for picture in pictures])[place]
    metric = discriminant(rows[base], codes(things[base]), count=recipe.dimensions, ridge=recipe.ridge)
    known = _Known(tuple(pictures[index] for index in place[plain]), unit(metric(rows[plain])), base[plain])
    return Fitted(reductions, metric, _tone(lesson, recipe), _named(known, read, recipe))


def reduced_parts(lesson: Lesson, recipe: Recipe) -> tuple[Affine, ...]:
    """Return the reduction of each part that is kept."""
    common = [one.artist in COMMON_ARTISTS and not one.withheld for one in lesson.pictures]
    rows = lesson.seen.rows[(lesson.may & np.array(common))[lesson.seen.picture]]
    return tuple(
        principal(rows[:, part].astype(np.float32), recipe.reduced[name], seed=recipe.seed)
        for name, part in lesson.parts().items()
        if name in recipe.reduced
    )


def reduce_all(
    lesson: Lesson, reductions: Sequence[Affine], wanted: Bool[np.ndarray, "view"]
) -> Float32[np.ndarray, "wanted dim"]:
    """Return the reduced parts side by side of the rows that are wanted, a block of rows at a time."""
    rows, parts = lesson.seen.rows, list(lesson.parts().values())[: len(reductions)]
    reduced = []
    for block in np.array_split(np.flatnonzero(wanted), max(1, int(wanted.sum()) // _BLOCK)):
        each = [reduce(rows[block, part]) for part, reduce in zip(parts, reductions, strict=True)]
        reduced.append(np.concatenate(each, axis=1))
    return np.concatenate(reduced)


def _tone(lesson: Lesson, recipe: Recipe) -> Affine:
    """Return how skin tones are told by their colours alone, in pictures whose light no view has changed."""
    tones = np.array([picture.tone for picture in lesson.pictures])
    wanted = (lesson.may & (tones != ""))[lesson.seen.picture] & lesson.seen.is_plain
    return discriminant(
        lesson.seen.rows[wanted, lesson.parts()["colours"]],
        codes(tones[lesson.seen.picture[wanted]]),
        count=recipe.tone_dimensions,
        ridge=recipe.tone_ridge,
        power=0.0,
    )


@dataclass(frozen=True, eq=False)
class _Known:
    """Pictures as they are, where the discriminant puts them, and which are base emoji."""

    pictures: tuple[Picture, ...]
    vectors: np.ndarray
    is_base: np.ndarray


def _named(known: _Known, read: ReadTexts, recipe: Recipe) -> Exemplars:
    """Return the regression from a class's texts to its mean picture, and from clip art's names to each."""
    bases = [picture for picture, base in zip(known.pictures, known.is_base, strict=True) if base]
    things = codes([picture.thing for picture in bases])
    means = unit(class_means(known.vectors[known.is_base], things)[0])
    first = [bases[place] for place in np.unique(things, return_index=True)[1]]
    is_clipart = np.array([not picture.thing for picture in known.pictures])
    texts = [(text, place) for place, picture in enumerate(first) for text in picture.texts]
    clipart = [picture.label for picture in known.pictures if not picture.thing]
    targets = np.concatenate([means[[place for _, place in texts]], known.vectors[is_clipart]])
    weights = np.concatenate([np.ones(len(texts)), np.full(len(clipart), recipe.clipart_weight)])
    return exemplars(
        read([text for text, _ in texts] + clipart),
        targets[:, : recipe.name_dimensions],
        weights,
        sharpness=recipe.sharpness,
        ridge=recipe.text_ridge,
    )
