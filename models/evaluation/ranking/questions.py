"""A picture with the candidates that retrieval proposes for it, by the votes that ship."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from models.data.manifest import Manifest, Row
from models.evaluation.emoji import VOTES, Vote
from models.evaluation.encoders import NAMES, VISUAL

CANDIDATES: Final = 10
"""That retrieval proposes, and ranking may order."""


@dataclass(frozen=True)
class Picture:
    """One picture of a set."""

    set: Manifest
    row: Row


@dataclass(frozen=True, eq=False)
class Question:
    """What ranking is asked.

    Attributes:
        picture: Which shows one thing.
        labels: Of the candidates, in retrieval's order.
        shares: Of the votes for all labels, that each candidate has.
        unknown: Share of the pseudo-vote for none of them.
        margin: Share of the first less that of the second.
        exemplars: Pictures that each candidate was taught by; none where names were.
        truth: Which candidate is right; -1 if none is.
        group: What kind of thing it is, for the table by groups.
    """

    picture: Picture
    labels: tuple[str, ...]
    shares: Float[np.ndarray, "k"]
    unknown: float
    margin: float
    exemplars: tuple[tuple[Picture, ...], ...]
    truth: int
    group: str = ""

    @property
    def is_right(self) -> bool:
        """Whether retrieval's first is."""
        return self.truth == 0


@dataclass(frozen=True, eq=False)
class Memory:
    """What retrieval knows.

    Attributes:
        labels: Each once.
        vectors: One an exemplar, unit norm.
        owner: Which label each exemplar has.
        pictures: Of the exemplars; None where they are names.
        vote: How they vote.
    """

    labels: tuple[str, ...]
    vectors: Float[np.ndarray, "exemplar dim"]
    owner: Int[np.ndarray, "exemplar"]
    pictures: tuple[Picture, ...] | None
    vote: Vote

    def of(self, chosen: Bool[np.ndarray, "exemplar"]) -> tuple[Picture, ...]:
        """Return the pictures of the chosen exemplars."""
        places = np.flatnonzero(chosen)
        return () if self.pictures is None else tuple(self.pictures[place] for place in places)


def by_picture(
    labels: Sequence[str],
    vectors: Float[np.ndarray, "exemplar dim"],
    owner: Int[np.ndarray, "exemplar"],
    pictures: Sequence[Picture],
) -> Memory:
    """Return a memory of pictures."""
    return Memory(tuple(labels), vectors, owner, tuple(pictures), VOTES[VISUAL])


def by_name(labels: Sequence[str], vectors: Float[np.ndarray, "label dim"]) -> Memory:
    """Return a memory of names."""
    return Memory(tuple(labels), vectors, np.arange(len(labels)), None, VOTES[NAMES])


def ask(
    picture: Picture, vector: Float[np.ndarray, "dim"], memory: Memory, *, truth: str, group: str = ""
) -> Question:
    """Return what retrieval makes of a picture: ten candidates at most.

    Args:
        picture: What is asked.
        vector: Of it, in the memory's space.
        memory: What is known.
        truth: Its label, whether the memory knows it or not.
        group: As `Question.group`.
    """
    logs = (memory.vectors @ vector - memory.vote.reference) / memory.vote.temperature
    votes = np.zeros(len(memory.labels))
    np.add.at(votes, memory.owner, np.exp(logs.astype(np.float64)))
    order = np.argsort(-votes, kind="stable")[:CANDIDATES]
    shares = votes[order] / votes.sum()
    labels = tuple(memory.labels[place] for place in order)
    return Question(
        picture=picture,
        labels=labels,
        shares=shares,
        unknown=float(1 / (1 + votes.sum())),
        margin=float(shares[0] - shares[1]) if len(shares) > 1 else 1.0,
        exemplars=tuple(memory.of(memory.owner == place) for place in order),
        truth=labels.index(truth) if truth in labels else -1,
        group=group,
    )
