"""Scenes with several things of one name, and phrases that tell them apart."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import UInt8

from models.data.splits import words
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.segmentation.scenes.backdrops import backdrop
from models.segmentation.scenes.camera import photographed
from models.segmentation.scenes.colours import COLOURS, HUES, colour_of, recoloured
from models.segmentation.scenes.compositor import UNIT_PX, Materials, SceneSettings, size_of
from models.segmentation.scenes.drawing import pose, posed
from models.segmentation.scenes.layout import Canvas
from models.segmentation.scenes.phrases import Aspect, Claim, Fact, claims, group
from models.segmentation.scenes.pools import Drawing, Pool, pool

PHRASES: Final = ("the {}", "every {}", "any {}")
_DETERMINERS: Final = (0.7, 0.2, 0.1)
SENTENCES: Final = (
    "Find {}.",
    "Where is {} in this picture?",
    "Please show me {}.",
    "I am looking for {} in this photograph.",
    "Can you see {}?",
    "Point at {}, if there is one.",
)
UNHEARD_SENTENCES: Final = (
    "Draw an outline around {}, please.",
    "Would you mark {} for me?",
    "What I need from this picture is {}.",
)
"""Asked in evaluation alone."""
_SENTENCE: Final = 0.3
_TRUE: Final = 8
_FALSE: Final = 6
_STRANGERS: Final = 2
_OF_A_STRANGER: Final = 3
_GROUPS: Final = ((2, 4), (1, 3), (1, 2))
_MORE_GROUPS: Final = (1.0, 0.8, 0.4)
_TINTED: Final = 0.7
_HUED_TRIES: Final = 6
_PALETTE: Final = 3
_THINGS: Final = 0.25
_MOST_WORDS: Final = 4
_MISLEADING: Final = words(
    "left right leftward rightward up down upward downward top bottom middle upper lower big small large "
    "little medium tiny first second third two three four five flag thing object square circle dotted clock "
    "not that"
) | frozenset(COLOURS)
"""Names with such a word would say what the phrases say."""


def describable(known: Pool) -> Pool:
    """Return the part of a pool whose names fit into phrases: they say nothing of colour, place or size."""
    return pool(
        (each for group in known.groups.values() for each in group if _is_describable(each.name)), known.alike
    )


def referring_scene(
    materials: Materials, settings: SceneSettings, rng: np.random.Generator, data_set: str
) -> Sample:
    """Return a scene that is asked for by phrases, some of them in a whole sentence.

    Args:
        materials: Of the use that the scene is for; with a pool of what is `describable`.
        settings: How it is drawn.
        rng: All of its chance.
        data_set: Name of the set it is in.
    """
    width_px, height_px = size_of(settings, rng)
    canvas = Canvas(backdrop(width_px, height_px, materials.photographs, rng), settings.placing)
    laid = _lay(canvas, _wanted(materials.pool, rng), settings, rng)
    masks = canvas.masks()
    facts = [
        Fact(
            drawing.name,
            colour,
            (box.left + box.right) / 2 / width_px,
            (box.top + box.bottom) / 2 / height_px,
            math.sqrt(np.count_nonzero(mask)),
        )
        for (drawing, colour), (box, mask) in zip(laid, masks, strict=True)
    ]
    asked = _asked(facts, materials.pool, [drawing.label for drawing, _ in laid], rng)
    prompts = tuple(_prompt(claim, materials.sentences, rng) for claim in asked)
    things = tuple(
        Thing(box, mask, _answers(place, asked), stuff=False, label=drawing.label, cutout=drawing.id)
        for place, ((drawing, _), (box, mask)) in enumerate(zip(laid, masks, strict=True))
    )
    return Sample(photographed(canvas.image, settings.camera, rng), prompts, things, data_set)


def _is_describable(name: str) -> bool:
    plain = all(part.isalpha() for part in name.replace("-", " ").replace("'", "").split())
    return plain and len(name.split()) <= _MOST_WORDS and not words(name) & _MISLEADING


def _wanted(known: Pool, rng: np.random.Generator) -> list[tuple[Drawing, str | None]]:
    """Return what is to be laid: drawings, and the hue that each is given."""
    wanted: list[tuple[Drawing, str | None]] = []
    labels: list[str] = []
    for (least, most), share in zip(_GROUPS, _MORE_GROUPS, strict=True):
        if rng.random() < share:
            label = _label(known, labels, rng)
            labels.append(label)
            count = int(rng.integers(least, most + 1))
            wanted += [(drawing, _hue(rng)) for drawing in _copies(known.groups[label], count, rng)]
    return wanted


def _label(known: Pool, taken: Sequence[str], rng: np.random.Generator) -> str:
    """Return a label, rather one whose drawings have a hue that can be changed."""
    found = known.drawn(_HUED_TRIES, taken, rng)
    hued = [label for label in found if _colour(known.groups[label][0]) in HUES]
    return (hued or found)[0]


def _copies(drawings: Sequence[Drawing], count: int, rng: np.random.Generator) -> list[Drawing]:
    picked = rng.integers(len(drawings), size=count)
    if rng.random() < 0.5:  # noqa: PLR2004  (as often as not by one artist)
        picked[:] = picked[0]
    return [drawings[place] for place in picked]


def _hue(rng: np.random.Generator) -> str | None:
    if rng.random() >= _TINTED:
        return None
    return list(HUES)[int(rng.integers(len(HUES)))]


def _lay(
    canvas: Canvas,
    wanted: Sequence[tuple[Drawing, str | None]],
    settings: SceneSettings,
    rng: np.random.Generator,
) -> list[tuple[Drawing, str | None]]:
    """Lay drawings, and return those that found a place, each with the colour that it has."""
    unit = max(canvas.image.shape) / UNIT_PX
    largest_px = min(settings.most_px * unit, 0.5 * min(canvas.image.shape[:2]))
    sizes = np.exp(rng.uniform(math.log(settings.least_px * unit), math.log(largest_px), len(wanted)))
    laid = []
    for place in np.argsort(-sizes):
        drawing, hue = wanted[place]
        tinted, colour = _tinted(drawing, hue)
        cutout = posed(tinted, replace(pose(drawing, round(sizes[place]), rng, mirrors=False), gain=1.0))
        if canvas.lay(cutout, rng):
            laid.append((drawing, colour))
    return laid


def _tinted(drawing: Drawing, hue: str | None) -> tuple[UInt8[np.ndarray, "_ _ 4"], str | None]:
    """Return a cut-out in another hue, if it has one and the other is clear then, and the colour it has."""
    colour = _colour(drawing)
    if hue is not None and colour is not None and colour in HUES and colour != hue:
        other = recoloured(drawing.rgba, colour, hue)
        if colour_of(other) == hue:
            return other, hue
    return drawing.rgba, colour


@cache
def _colour(drawing: Drawing) -> str | None:
    return colour_of(drawing.rgba)


def _asked(
    facts: Sequence[Fact], known: Pool, labels: Sequence[str], rng: np.random.Generator
) -> list[Claim]:
    """Return claims of all aspects, some true, some not, each text once."""
    names = list(dict.fromkeys(fact.name for fact in facts))
    made = [claim for name in names for claim in claims(group(name, facts, name=name))]
    if rng.random() < _THINGS:
        made += claims(group("thing", facts))
    strangers = known.drawn(_STRANGERS, labels, rng)
    lies = [claim for claim in made if not claim.answers]
    for label in strangers if names else ():
        said = claims(group(known.name(label), facts, name=names[0]))
        picked = rng.integers(len(said), size=_OF_A_STRANGER)
        lies += [replace(said[place], answers=frozenset()) for place in picked]
    asked = [*_mixed([claim for claim in made if claim.answers], _TRUE, rng), *_mixed(lies, _FALSE, rng)]
    unique = list({claim.text: claim for claim in asked}.values())
    return [unique[place] for place in rng.permutation(len(unique))]


def _mixed(made: Sequence[Claim], count: int, rng: np.random.Generator) -> list[Claim]:
    """Return some claims, of each aspect about as many."""
    piles: Mapping[Aspect, list[Claim]] = defaultdict(list)
    for place in rng.permutation(len(made)):
        piles[made[place].aspect].append(made[place])
    ranked = [(rank, claim) for pile in piles.values() for rank, claim in enumerate(pile)]
    return [claim for _, claim in sorted(ranked, key=lambda one: one[0])[:count]]


def _prompt(claim: Claim, sentences: Sequence[str], rng: np.random.Generator) -> Prompt:
    determiner = 0 if claim.single else int(rng.choice(len(PHRASES), p=_DETERMINERS))
    phrase = PHRASES[determiner].format(claim.text)
    if rng.random() < _SENTENCE:
        return Prompt(PromptKind.SENTENCE, sentences[int(rng.integers(len(sentences)))].format(phrase))
    return Prompt(PromptKind.PHRASE, phrase)


def _answers(place: int, asked: Sequence[Claim]) -> frozenset[int]:
    return frozenset(number for number, claim in enumerate(asked) if place in claim.answers)
