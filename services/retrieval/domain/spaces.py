"""Two spaces of one collection: which exemplars are in them, and which of the two answers better."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.kernel.errors import InvalidInput
from services.kernel.rankings import Candidates
from services.kernel.vocabulary import EncodedExemplar, SpaceVote
from services.retrieval.domain.sampling import few_shot

_Z: Final = 1.959964  # of the normal distribution, for 95 %
_LEAST_FACTOR, _MOST_FACTOR = 0.2, 5.0


@dataclass(frozen=True)
class InSpaces:
    """Which exemplars are wanted: those in all of `having`, and not in all of `lacking` if it names any."""

    having: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()

    def admits(self, encoded: EncodedExemplar) -> bool:
        """Say whether this one is."""
        spaces = {each.space for each in encoded.embeddings}
        return self.having <= spaces and (not self.lacking or not self.lacking <= spaces)


@dataclass(frozen=True)
class ComparisonPolicy:
    """How two spaces are compared, and what is asked of the new one.

    Attributes:
        sample: Exemplars that are asked, at most.
        seed: Of the drawing.
        candidates: Among which the right label should be.
        margin: What the new space may be worse by, as a share.
    """

    sample: int = 1000
    seed: int = 0
    candidates: int = 5
    margin: float = 0.02

    def __post_init__(self) -> None:
        """Raise InvalidInput for what cannot be compared by."""
        if not 0 <= self.margin < 1:
            raise InvalidInput(f"margin is {self.margin}, not a share from 0 to 1", field="policy.margin")
        if not 1 <= self.sample <= 100_000:  # noqa: PLR2004  (each is searched for twice)
            raise InvalidInput(f"sample is {self.sample}; 1 to 100000 are allowed", field="policy.sample")


@dataclass(frozen=True)
class PairedShare:
    """How often two were right about the same things.

    Attributes:
        asked: So many things.
        both: Both were right.
        gained: The second alone was.
        lost: The first alone was.
    """

    asked: int
    both: int
    gained: int
    lost: int

    @classmethod
    def of(cls, before: Sequence[bool], after: Sequence[bool]) -> PairedShare:
        """Count."""
        pairs = list(zip(before, after, strict=True))
        return cls(
            len(pairs), pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))
        )

    @property
    def before(self) -> int:
        """How often the first was right."""
        return self.both + self.lost

    @property
    def after(self) -> int:
        """How often the second was right."""
        return self.both + self.gained

    @property
    def difference(self) -> float:
        """The second's share less the first's."""
        return (self.gained - self.lost) / self.asked if self.asked else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference. Source: Agresti and Min, Statistics in Medicine 24 (2005)."""
        total, gained, lost = self.asked + 2, self.gained + 0.5, self.lost + 0.5
        middle = (gained - lost) / total
        reach = _Z * math.sqrt(max(0.0, (gained + lost) / total - middle**2) / total)
        return max(-1.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True)
class SpaceReport:
    """How an old and a new space answer for the same exemplars, each asked with itself left out."""

    memory_version: str
    labels: int
    accuracy: PairedShare
    recall: PairedShare
    policy: ComparisonPolicy
    vote: SpaceVote

    @property
    def passes(self) -> bool:
        """Whether it is shown that the new space is not worse by more than the margin."""
        return all(share.interval[0] >= -self.policy.margin for share in (self.accuracy, self.recall))


def sampled(labelled: Iterable[tuple[str, str]], policy: ComparisonPolicy) -> tuple[str, ...]:
    """Draw exemplars to ask, about as many of each label that has two or more: one alone finds nobody.

    Args:
        labelled: The id and the label of each exemplar.
        policy: How many at most, and the seed.

    Returns:
        Ids, those of one label together.
    """
    members: defaultdict[str, list[str]] = defaultdict(list)
    for exemplar_id, label in labelled:
        members[label].append(exemplar_id)
    labels = sorted(label for label, ids in members.items() if len(ids) > 1)
    places = np.random.default_rng(policy.seed).permutation(len(labels))[: policy.sample]
    each = max(1, policy.sample // max(1, len(places)))
    return tuple(
        exemplar_id
        for label in (labels[place] for place in sorted(places.tolist()))
        for exemplar_id in few_shot(
            ((one, label) for one in members[label]),
            per_label=min(each, len(members[label])),
            seed=policy.seed,
        )
    )


def matched_vote(
    vote: SpaceVote, space: str, *, before: Sequence[float], after: Sequence[float]
) -> SpaceVote:
    """Return how another space should vote so that its neighbours weigh as much at a usual similarity.

    Similarities of another encoder are spread otherwise: what is near to the one is far to the other. Mean
    and spread of those to the nearest neighbour are matched.

    Args:
        vote: Of the space that is known.
        space: The other one.
        before: Cosine of each asked exemplar to its nearest neighbour, in the space that is known.
        after: The same exemplars in the other one.
    """
    if len(before) < 2:  # noqa: PLR2004  (one has no spread)
        return replace(vote, space=space)
    known, other = np.std(before), np.std(after)
    factor = float(np.clip(other / known, _LEAST_FACTOR, _MOST_FACTOR)) if known > 0 else 1.0
    reference = float(np.mean(after)) + (vote.reference - float(np.mean(before))) * factor
    return SpaceVote(space, vote.weight, vote.temperature * factor, min(max(reference, -1.0), 1.0))


def is_among(label: str, found: Candidates, first: int) -> bool:
    """Return whether the label is one of the first candidates."""
    return any(each.label == label for each in found.candidates[:first])
