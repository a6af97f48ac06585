"""The recipe of the global encoder: what is fitted to which rows, in which order, with which constants."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

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
from models.vision.global_encoder.knowledge import Scale, class_features, each_name, scale_of
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
        keyword_weight: Of a keyword beside a class.
        keyword_classes: Most classes that share a keyword which still says something.
        knowledge_weight: Of a name of ImageNet beside a class.
        knowledge_length: Of the exemplar of such a name; that of a class is 1.
        bridge_weights: Of ImageNet's names beside the exemplars: as long as the classifier is sure, and of
            length 1 from logits on a scale of their own.
        seed: Of the reductions.
    """

    reduced: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType(
            {"head": 400, "stages": 240, "edges": 256, "pixels": 200, "places": 320, "colours": 200}
        )
    )
    dimensions: int = 384
    ridge: float = 0.1
    tone_dimensions: int = 5
    tone_ridge: float = 0.01
    tone_weight: float = 0.55
    name_dimensions: int = 256
    sharpness: float = 2.0
    text_ridge: float = 0.1
    clipart_weight: float = 0.3
    keyword_weight: float = 0.2
    keyword_classes: int = 12
    knowledge_weight: float = 0.3
    knowledge_length: float = 0.5
    bridge_weights: tuple[float, float] = (1.5, 0.35)
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
    scale: Scale

    def save(self, path: Path) -> None:
        """Write the matrices to a file, whole or not at all."""
        found = self.exemplars
        named: dict[str, Any] = {
            "anchors": found.anchors,
            "coefficients": found.coefficients,
            "mean": found.mean,
            "scale": np.stack([self.scale.offset, self.scale.spread]),
        }
        for key, affine in enumerate((*self.reductions, self.discriminant, self.tone)):
            named |= {f"offset{key}": affine.offset, f"weight{key}": affine.weight}
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            np.savez(file, **named)
        unfinished.rename(path)

    @classmethod
    def load(cls, path: Path) -> Fitted:
        """Return what was saved."""
        with np.load(path) as saved:
            count = sum(name.startswith("offset") for name in saved)
            *reductions, metric, tone = (
                Affine(saved[f"offset{key}"], saved[f"weight{key}"]) for key in range(count)
            )
            found = Exemplars(saved["anchors"], saved["coefficients"], saved["mean"])
            return cls(tuple(reductions), metric, tone, found, Scale(*saved["scale"]))


@dataclass(frozen=True, eq=False)
class Classifier:
    """What is known of ImageNet's classes without any picture of them.

    Attributes:
        names: All names of each class.
        weight: By which the head is weighed for each class's logit.
    """

    names: Sequence[Sequence[str]]
    weight: Float32[np.ndarray, "class head"]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What was read from pictures, and of which pictures may be learned.

    Attributes:
        pictures: All that were read.
        seen: What was read from them.
        sizes: Numbers of each part in a row, in their order.
        chosen: Ids of the pictures that may be learned from; of the others no row is looked at.
        classifier: Whose logits and head are among the parts.
    """

    pictures: Sequence[Picture]
    seen: Readings
    sizes: Mapping[str, int]
    chosen: frozenset[str]
    classifier: Classifier

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
    head, logits = (seen.rows[wanted & seen.is_plain, lesson.parts()[name]] for name in ("head", "logits"))
    deviations = class_features(head, lesson.classifier.weight) @ reductions[0].weight
    classes = unit(deviations @ metric.weight[: deviations.shape[1]])
    texts = _said(known, recipe) + _known_by_name(lesson.classifier, classes, known, recipe)
    found = _named(texts, read, recipe)
    return Fitted(reductions, metric, _tone(lesson, recipe), found, scale_of(logits))


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
    """Return how skin tones, and none, are told by their colours alone; none stands at the origin.

    Only pictures as they are teach it: a view changes the light.
    """
    things = np.array([picture.thing != "" for picture in lesson.pictures])
    wanted = (lesson.may & things)[lesson.seen.picture] & lesson.seen.is_plain
    colours = lesson.seen.rows[wanted, lesson.parts()["colours"]].astype(np.float32)
    tones = np.array([picture.tone for picture in lesson.pictures])[lesson.seen.picture[wanted]]
    told = discriminant(
        colours, codes(tones), count=recipe.tone_dimensions, ridge=recipe.tone_ridge, power=0.0
    )
    return Affine(colours[tones == ""].mean(0), told.weight)


@dataclass(frozen=True, eq=False)
class _Known:
    """Pictures as they are, where the discriminant puts them, and which are base emoji."""

    pictures: tuple[Picture, ...]
    vectors: np.ndarray
    is_base: np.ndarray


@dataclass(frozen=True, eq=False)
class _Said:
    """One text, where pictures of it are, and how far that is trusted."""

    text: str
    target: np.ndarray
    weight: float


def _said(known: _Known, recipe: Recipe) -> list[_Said]:
    """Return the texts and keywords of each class with its mean picture, and clip art's names with each."""
    bases = [picture for picture, base in zip(known.pictures, known.is_base, strict=True) if base]
    things = codes([picture.thing for picture in bases])
    means = unit(class_means(known.vectors[known.is_base], things)[0])
    first = [bases[place] for place in np.unique(things, return_index=True)[1]]
    said = [_Said(text, mean, 1.0) for one, mean in zip(first, means, strict=True) for text in one.texts]
    sharing: defaultdict[str, set[int]] = defaultdict(set)
    for place, one in enumerate(first):
        for keyword in one.keywords:
            sharing[keyword].add(place)
    said += [
        _Said(keyword, unit(means[sorted(places)].mean(0)[None])[0], recipe.keyword_weight)
        for keyword, places in sorted(sharing.items())
        if len(places) <= recipe.keyword_classes
    ]
    clipart = [
        (one, vector) for one, vector in zip(known.pictures, known.vectors, strict=True) if not one.thing
    ]
    return said + [_Said(one.label, vector, recipe.clipart_weight) for one, vector in clipart]


def _known_by_name(
    classifier: Classifier, classes: Float32[np.ndarray, "class dim"], known: _Known, recipe: Recipe
) -> list[_Said]:
    """Return ImageNet's names with where the classifier's weights put pictures of them."""
    middle = known.vectors.mean(0)
    names, places = each_name(classifier.names)
    return [
        _Said(name, middle + recipe.knowledge_length * classes[place], recipe.knowledge_weight)
        for name, place in zip(names, places, strict=True)
    ]


def _named(said: Sequence[_Said], read: ReadTexts, recipe: Recipe) -> Exemplars:
    return exemplars(
        read([each.text for each in said]),
        np.stack([each.target for each in said])[:, : recipe.name_dimensions],
        np.array([each.weight for each in said]),
        sharpness=recipe.sharpness,
        ridge=recipe.text_ridge,
    )
