"""What is proposed for a region and in which order: candidates, and the ranking that they become."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from services.kernel.geometry import Box
from services.kernel.judgements import Judged
from services.kernel.vocabulary import ExemplarKind, SpaceVote


@dataclass(frozen=True)
class Neighbour:
    """An exemplar that voted; `share` is its part of all votes, that of *unknown* included.

    `box` is the part of its picture that shows the class; None: all of it.
    """

    exemplar_id: str
    kind: ExemplarKind
    space: str
    similarity: float
    share: float
    image_key: str = ""
    box: Box | None = None


class Ancestor(NamedTuple):
    """What a label is a kind of; `score` is the share of the votes for it and for all kinds of it."""

    label: str
    score: float


@dataclass(frozen=True)
class Candidate:
    """A label that retrieval proposes, with the neighbours that voted for it, nearest first.

    `ancestors` are what it is a kind of, the parent first; `descriptions` are texts on how it looks.
    """

    label: str
    score: float
    neighbours: tuple[Neighbour, ...]
    ancestors: tuple[Ancestor, ...] = ()
    descriptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidates:
    """Class-distinct labels for one region, best first, and what the gates need to know."""

    region_id: str
    candidates: tuple[Candidate, ...]
    margin: float
    entropy: float
    unknown_score: float
    votes: tuple[SpaceVote, ...]


class RankingStatus(enum.Enum):
    """How a ranking came about."""

    RANKED = "ranked"
    TRUSTED_RETRIEVAL = "trusted_retrieval"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"


class RankedLabel(NamedTuple):
    """A label and its probability."""

    label: str
    probability: float


class BroaderLabel(NamedTuple):
    """What is answered in place of the first label, which is a kind of it, `steps` below."""

    label: str
    probability: float
    steps: int


@dataclass(frozen=True)
class Gate:
    """A decision that one number took; `is_open` if the value is on the far side of the threshold."""

    name: str
    value: float
    threshold: float
    is_open: bool
    calibrated: bool = False


@dataclass(frozen=True)
class Ranking:
    """A permutation of one region's candidates; all probabilities and *unknown* sum to 1.

    `rung` says what was left out: with DEGRADED all of the model, with RANKED a part of its work. `judged` is
    how the model took part.
    """

    region_id: str
    labels: tuple[RankedLabel, ...]
    probability_unknown: float
    status: RankingStatus
    rung: str = ""
    gates: tuple[Gate, ...] = ()
    broader: BroaderLabel | None = None
    judged: Judged | None = None
