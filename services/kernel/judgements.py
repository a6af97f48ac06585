"""What a model was asked about the candidates of a region, and what became of its answer: for the record."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Parsed(enum.Enum):
    """How a model's answer was understood."""

    READ = "read"
    """Probabilities were read; there was no text to understand."""
    OK = "ok"
    """The text named the candidates as it was asked to."""
    REPAIRED = "repaired"
    """The text named some otherwise, twice or not at all; what could be saved was."""
    FALLBACK = "fallback"
    """The text named nothing that was asked: this is retrieval's order."""


@dataclass(frozen=True)
class Reading:
    """One time that a model was asked.

    Attributes:
        order: Place p of the prompt held candidate `order[p]`.
        log_probabilities: Of the letter, or of the name, at each place, as the model gave them and before
            anything was normalised; empty where it generated text.
        text: What it generated.
    """

    order: tuple[int, ...]
    log_probabilities: tuple[float, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class WeighedEvidence:
    """What one source says of the candidates that were asked about, and how much it counts.

    Attributes:
        source: `retrieval`, `letters`, `names`, `generated`, `pairs`, `words`.
        weight: What its log-probabilities are multiplied with.
        log_probabilities: In retrieval's order; their exponentials sum to 1.
    """

    source: str
    weight: float
    log_probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Judged:
    """How a model took part in one ranking: enough to ask it the same again.

    Attributes:
        models: `name@digest` of each model.
        template: Such as `letters@1`.
        prompt_digest: SHA-256, in hexadecimal, of the first order's prompt with the image left out.
        mode: `letters`, `names` or `both`.
        candidates: How many it was asked about: the first of retrieval's.
        orders: In how many orders it was to be asked.
        seed: From which the orders follow.
        evidence: What was joined, retrieval's included.
        readings: Each time that it was asked.
        parsed: How the answer was understood.
        tokens: All that it read and wrote.
        cut: What of labels and descriptions had no room in the prompt.
        duration_s: What it took, all regions of the image together; 0 where the answer was kept.
        cached: Whether the answer was kept from an earlier question, or another caller's.
    """

    models: tuple[str, ...]
    template: str
    prompt_digest: str
    mode: str
    candidates: int
    orders: int
    seed: int
    evidence: tuple[WeighedEvidence, ...]
    readings: tuple[Reading, ...]
    parsed: Parsed = Parsed.READ
    tokens: int = 0
    cut: str = ""
    duration_s: float = 0.0
    cached: bool = False
