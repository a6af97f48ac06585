"""What comes with candidates about how they look: few texts, short ones, whatever was taught."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from services.kernel.limits import LIMITS
from services.kernel.rankings import Candidate, Candidates

_CUT: Final = "…"


def to_describe(regions: Iterable[Candidates]) -> frozenset[str]:
    """Return the labels whose descriptions are wanted: the first of each region."""
    most = LIMITS.described_labels_per_region
    return frozenset(each.label for region in regions for each in region.candidates[:most])


def describe(
    regions: Sequence[Candidates],
    texts: Mapping[str, Sequence[str]],
    *,
    most: int = LIMITS.description_characters_per_image,
) -> tuple[Candidates, ...]:
    """Return the candidates of one image with the descriptions of their labels.

    Args:
        regions: In order; what comes first is described first.
        texts: Of each label that has some.
        most: Characters of all together. A region whose descriptions would not fit has none.
    """
    short = {label: tuple(map(shortened, some)) for label, some in texts.items()}
    sizes = {label: sum(map(len, some)) for label, some in short.items()}
    described, left = [], most
    for region in regions:
        first = region.candidates[: LIMITS.described_labels_per_region]
        size = sum(sizes.get(each.label, 0) for each in first)
        if size > left:
            described.append(region)
            continue
        left -= size
        rest = region.candidates[len(first) :]
        described.append(replace(region, candidates=(*(_described(each, short) for each in first), *rest)))
    return tuple(described)


def shortened(text: str) -> str:
    """Return a text of the length allowed: a longer one is cut after a word."""
    most = LIMITS.description_characters
    if len(text) <= most:
        return text
    words, space, _ = text[:most].rpartition(" ")
    return (words if space and words.strip() else text[: most - 1]).rstrip() + _CUT


def _described(candidate: Candidate, texts: Mapping[str, tuple[str, ...]]) -> Candidate:
    return replace(candidate, descriptions=texts.get(candidate.label, ()))
