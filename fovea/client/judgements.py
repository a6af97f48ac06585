"""How models took part in the ranking of one region: what each source said, and how it was joined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from fovea.kernel.v1 import candidates_pb2, ranking_pb2

_PARSINGS: Final[Mapping[int, Literal["ok", "repaired", "fallback"]]] = {
    ranking_pb2.ANSWER_PARSING_OK: "ok",
    ranking_pb2.ANSWER_PARSING_REPAIRED: "repaired",
    ranking_pb2.ANSWER_PARSING_FALLBACK: "fallback",
}


class RankedLabel(NamedTuple):
    """A label and its probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class Evidence:
    """What one source says of the candidates that were looked at.

    Attributes:
        source: `retrieval`; `pairs`, the candidates' own pictures; `words`, what candidates are called;
            `letters` and `names`, which a language model read; `generated`, a list that it wrote; or another
            that the server knows.
        weight: How much it counts: all sources' shares are multiplied, each to the power of its weight.
        labels: The share of each candidate, in retrieval's order; together 1.
    """

    source: str
    weight: float
    labels: tuple[RankedLabel, ...]

    def share(self, label: str) -> float | None:
        """Return the share of one candidate; None if the source was not asked about it."""
        return next((each.probability for each in self.labels if each.label == label), None)


@dataclass(frozen=True)
class Reading:
    """One time that a model was asked.

    Attributes:
        order: Place p of the prompt held candidate `order[p]` of retrieval, counted from 0.
        log_probabilities: What the model gave each place.
        text: What it wrote, where it was made to write.
    """

    order: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    text: str = ""


@dataclass(frozen=True)
class Judgement:
    """What models were asked about a region's candidates, and what they answered.

    Attributes:
        evidence: What each source says, retrieval first.
        models: `name@digest` of each model.
        mode: `pictures`, `letters`, `names` or `both`.
        template: Of the prompt, such as `letters@1`; empty where nothing was read.
        prompt_digest: SHA-256, in hexadecimal, of the first prompt, the image left out.
        orders: In how many orders the candidates were to be shown.
        seed: From which the orders follow.
        readings: Each time that a model was asked.
        parsing: How its answer was understood: as probabilities, or as a text that was right, repaired or
            of no use.
        tokens: All that was read and written for the region.
        duration_s: What it took, all regions of the picture together; 0 where the answer was kept.
        cached: Whether the answer was kept from an earlier question, or another caller's.
        cut: What of labels and descriptions had no room in the prompt.
    """

    evidence: tuple[Evidence, ...]
    models: tuple[str, ...] = ()
    mode: str = ""
    template: str = ""
    prompt_digest: str = ""
    orders: int = 0
    seed: int = 0
    readings: tuple[Reading, ...] = ()
    parsing: Literal["read", "ok", "repaired", "fallback"] = "read"
    tokens: int = 0
    duration_s: float = 0.0
    cached: bool = False
    cut: str = ""


def read_judgement(message: ranking_pb2.Judgement, found: candidates_pb2.Candidates) -> Judgement:
    """Read what was asked about some candidates: evidence speaks of the first of them, in their order."""
    labels = [candidate.label for candidate in found.candidates]
    return Judgement(
        evidence=tuple(_evidence(each, labels) for each in message.evidence),
        models=tuple(message.models),
        mode=message.mode,
        template=message.template,
        prompt_digest=message.prompt_digest,
        orders=message.orders,
        seed=message.seed,
        readings=tuple(
            Reading(tuple(each.order), tuple(each.log_probabilities), each.text) for each in message.readings
        ),
        parsing=_PARSINGS.get(message.parsing, "read"),
        tokens=message.tokens,
        duration_s=message.duration_s,
        cached=message.cached,
        cut=message.cut,
    )


def _evidence(message: ranking_pb2.WeighedEvidence, labels: Sequence[str]) -> Evidence:
    shares = map(math.exp, message.log_probabilities)
    asked = tuple(RankedLabel(*pair) for pair in zip(labels, shares, strict=False))
    return Evidence(message.source, message.weight, asked)
