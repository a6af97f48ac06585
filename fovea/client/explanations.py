"""Why a recognition ended as it did: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from fovea.client.errors import FoveaError
from fovea.client.results import Recognition, Region


class Difference(NamedTuple):
    """One value of a step's answer that is another one today; "" where there was, or is, none."""

    place: str
    before: str
    now: str


@dataclass(frozen=True)
class ReplayedStep:
    """One step of a recognition, run again on what the record says it was given.

    Attributes:
        name: `segmentation`, `encoding`, `retrieval` or `ranking`.
        outcome: Whether it answers the same today.
        differences: What it answers otherwise, at most 50 values.
        made_with: With what it does so: version, models, memory. They may change while the answer stays.
        failure: Why it could not be run.
    """

    name: str
    outcome: Literal["same", "differs", "not_run"]
    differences: tuple[Difference, ...] = ()
    made_with: tuple[Difference, ...] = ()
    failure: FoveaError | None = None


@dataclass(frozen=True)
class Answer:
    """What is answered for a region: a label, or None for *unknown*."""

    label: str | None
    probability: float


@dataclass(frozen=True)
class Counterfactual:
    """What the answer would be without some exemplars.

    Attributes:
        exemplar_ids: Those that are left out.
        share: Their part of all votes.
        answer: What would be answered.
        changes: Whether that is another label than the answer with them.
    """

    exemplar_ids: tuple[str, ...]
    share: float
    answer: Answer
    changes: bool


@dataclass(frozen=True)
class Explanation:
    """Why a region got its answer.

    Attributes:
        recognition: The record.
        region: The part of the picture that is explained, with candidates, neighbours and gates.
        answer: As recorded.
        today: Asked again with all exemplars: what the counterfactuals are compared with.
        counterfactuals: One for each exemplar that was left out, then one for all of them together.
        memory_changed: Whether exemplars came or went since.
        failure: Why nothing could be asked again.
    """

    recognition: Recognition
    region: Region
    answer: Answer
    today: Answer | None = None
    counterfactuals: tuple[Counterfactual, ...] = ()
    memory_changed: bool = False
    failure: FoveaError | None = None
