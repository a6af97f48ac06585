"""By what a phrase tells things apart, and phrases of other scenes that are surely true of nothing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np

from models.data.splits import words
from models.segmentation.samples import Sample
from models.segmentation.scenes.colours import COLOURS

COLOUR: Final = "colour"
SIZE: Final = "size"
POSITION: Final = "position"
ORDER: Final = "order"
_ASPECTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        COLOUR: frozenset(COLOURS),
        SIZE: words("largest biggest smallest"),
        POSITION: words("left right top bottom upper lower middle leftmost rightmost topmost bottommost"),
        ORDER: words("first second third fourth fifth"),
    }
)
ASPECTS: Final = tuple(_ASPECTS)
_ANYTHING: Final = words("thing things")
_SEED: Final = 422


def aspects(text: str) -> frozenset[str]:
    """Return by what a phrase tells things apart; nothing if by their name alone.

    The names in these scenes have no such word themselves.
    """
    said = words(text)
    return frozenset(aspect for aspect, known in _ASPECTS.items() if said & known)


def with_strangers(sample: Sample, others: Sequence[Sample], count: int, names: Sequence[str]) -> Sample:
    """Return a scene that is asked for phrases of other scenes, too, none of which is true of it.

    A phrase is left out if it shares a word with the name of something that is here, or speaks of things of
    any name.

    Args:
        sample: The scene.
        others: Whose phrases are drawn, by a fixed seed.
        count: How many are added; fewer if there are not as many.
        names: Of all that is here.
    """
    here = frozenset[str]().union(_ANYTHING, *(words(name) for name in names))
    own = {each.text for each in sample.prompts}
    known = dict.fromkeys(each for other in others for each in other.prompts if each.text not in own)
    strangers = [each for each in known if not words(each.text) & here]
    drawn = np.random.default_rng(_SEED).permutation(len(strangers))[:count]
    return replace(sample, prompts=sample.prompts + tuple(strangers[place] for place in drawn.tolist()))
