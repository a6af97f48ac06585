"""Hard negatives: for an exemplar, the wrong classes that look most like it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import Exemplar
from services.retrieval.domain.voting import Hit

MOST_NEGATIVES = 100


@dataclass(frozen=True)
class MiningPolicy:
    """How hard negatives are chosen.

    Args:
        space: Whose vectors are compared.
        count: Wrong classes an exemplar gets; Finedefics takes 3.
        among: They are drawn from so many nearest wrong classes; `count` takes the nearest themselves.
        seed: Of the drawing. The same seed draws the same for an exemplar, whatever else is mined.
        below: Cosine from which a neighbour of another label is more likely labelled wrongly than hard: its
            class is no negative of this exemplar.
    """

    space: str
    count: int = 3
    among: int = 3
    seed: int = 0
    below: float = 1.0 + 1e-6

    def __post_init__(self) -> None:
        if not 1 <= self.count <= self.among <= MOST_NEGATIVES:
            raise InvalidInput(
                f"count is {self.count} and among {self.among}; "
                f"1 <= count <= among <= {MOST_NEGATIVES} must hold",
                field="count",
                reason="COUNT_OUT_OF_RANGE",
            )
        if self.seed < 0:
            raise InvalidInput(f"seed is {self.seed}; it must not be negative", field="seed")


@dataclass(frozen=True)
class Mined:
    """An exemplar and its hard negatives: one neighbour of each wrong class, nearest first."""

    exemplar: Exemplar
    negatives: tuple[Hit, ...]


def rivals(exemplar: Exemplar, hits: Sequence[Hit], *, below: float = np.inf) -> tuple[Hit, ...]:
    """Return the nearest hit of each label other than the exemplar's own.

    Args:
        exemplar: Whose negatives are sought.
        hits: Its neighbours, nearest first, itself perhaps among them.
        below: A label with a neighbour at least as similar is left out altogether.

    Returns:
        One hit a label, nearest first.
    """
    first: dict[str, Hit] = {}
    for hit in hits:
        if hit.exemplar.label != exemplar.label:
            first.setdefault(hit.exemplar.label, hit)
    return tuple(hit for hit in first.values() if hit.similarity < below)


def draw(exemplar: Exemplar, wrong: Sequence[Hit], policy: MiningPolicy) -> Mined:
    """Choose the negatives of an exemplar from the hits of wrong classes, which come nearest first."""
    pool = wrong[: policy.among]
    if len(pool) > policy.count:
        identity = int.from_bytes(hashlib.sha256(exemplar.exemplar_id.encode()).digest()[:8], "little")
        random = np.random.default_rng((policy.seed, identity))
        places = np.sort(random.choice(len(pool), policy.count, replace=False))
        pool = [pool[place] for place in places.tolist()]
    return Mined(exemplar, tuple(pool))
