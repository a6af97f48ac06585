"""What one image is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.kernel.crops import mask_digest
from services.kernel.rankings import Candidate, Candidates
from services.kernel.vocabulary import Box, ImageReference, Region
from services.ranking.domain import planning
from services.ranking.domain.asking import Effort
from services.ranking.domain.planning import Plan

_MOST_PICTURED: Final = 10
"""Candidates whose pictures are shown."""


class QuestionKey(NamedTuple):
    """What an answer depends on."""

    image_digest: str
    box: Box
    mask_digest: str
    labels: tuple[str, ...]
    descriptions: tuple[str, ...]
    exemplars: tuple[tuple[tuple[str, Box | None], ...], ...]
    models: tuple[str, ...]
    effort: Effort


@dataclass(frozen=True)
class Asked:
    """What one image is asked about."""

    image: ImageReference
    regions: Sequence[Region]
    found: Sequence[Candidates]
    sizes: Sequence[Sequence[int]]
    plan: Plan
    exemplars_per_label: int

    def exemplars(self, place: int) -> tuple[tuple[tuple[str, Box | None], ...], ...]:
        """Return the pictures of each label that is asked about, the nearest first; none beyond the tenth."""
        if not self.exemplars_per_label:
            return ()
        some = self.found[place].candidates[: self.plan.labels]
        return tuple(
            _pictured(each)[: self.exemplars_per_label] if i < _MOST_PICTURED else ()
            for i, each in enumerate(some)
        )

    def tokens(self, places: Sequence[int]) -> int:
        """Return about how many tokens the questions on these regions have."""
        return planning.tokens_asked([self.sizes[place] for place in places], self.plan)

    def texts(self, place: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the labels that are asked about, and a line on each."""
        some = self.found[place].candidates[: self.plan.labels]
        return tuple(each.label for each in some), tuple(line(each.descriptions) for each in some)

    def keys(self, models: tuple[str, ...]) -> list[QuestionKey]:
        """Return what each answer depends on."""
        return [
            QuestionKey(
                self.image.digest,
                region.box,
                mask_digest(region.mask),
                *self.texts(place),
                self.exemplars(place),
                models,
                self.plan.effort,
            )
            for place, region in enumerate(self.regions)
        ]


def _pictured(candidate: Candidate) -> tuple[tuple[str, Box | None], ...]:
    """Return the candidate's pictures, each once."""
    shown = ((each.image_key, each.box) for each in candidate.neighbours if each.image_key)
    return tuple(dict.fromkeys(shown))


def line(descriptions: Sequence[str]) -> str:
    """Return what is said of a label, in one line."""
    return "; ".join(descriptions)
