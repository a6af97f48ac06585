"""Ranking's monitor, and candidates in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

from services.kernel.rankings import Ancestor, Candidate, Candidates, Neighbour, Ranking
from services.kernel.vocabulary import ExemplarKind, SpaceVote


@dataclass
class RecordingMonitor:
    """Keeps what it was told."""

    rankings: list[Ranking] = field(default_factory=list)
    costs: list[tuple[int, float]] = field(default_factory=list)

    def ranked(self, found: Candidates, ranking: Ranking) -> None:
        assert found.region_id == ranking.region_id
        self.rankings.append(ranking)

    def asked(self, tokens: int, duration_s: float) -> None:
        self.costs.append((tokens, duration_s))


def candidates(
    *pairs: tuple[str, float],
    margin: float = 0.0,
    unknown: float = 0.0,
    region_id: str = "0",
    ancestors: Sequence[tuple[str, float]] = (),
) -> Candidates:
    """Candidates with scores, one neighbour each; `ancestors` are the first one's."""
    found = tuple(
        Candidate(label, score, (_neighbour(label),), tuple(Ancestor(*each) for each in above))
        for (label, score), above in zip(pairs, chain([ancestors], repeat(())), strict=False)
    )
    votes = (SpaceVote("visual", weight=1.0, temperature=0.07, reference=0.5),)
    return Candidates(region_id, found, margin, entropy=0.5, unknown_score=unknown, votes=votes)


def _neighbour(label: str) -> Neighbour:
    return Neighbour(f"{label}-1", ExemplarKind.IMAGE, "visual", similarity=0.7, share=0.4, image_key="k")
