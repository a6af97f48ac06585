"""What a model is asked about one region, and what it answers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, UInt8

from models.ranking.joining import EQUAL_WEIGHTS, Weights

# said again here, since whoever answers needs both
from services.kernel.judgements import Parsed as Parsed  # noqa: PLC0414
from services.kernel.judgements import Reading as Reading  # noqa: PLC0414
from services.kernel.vocabulary import Box, Region

EQUAL: Final = Weights(
    (EQUAL_WEIGHTS, {"retrieval": 1.0, "letters": 1.0}, {"retrieval": 1.0, "generated": 1.0})
)


class Mode(enum.Enum):
    """How a model is asked for an order."""

    LETTERS = "letters"
    """Candidates stand behind letters; the probability of each letter is read."""
    NAMES = "names"
    """The likelihood of each candidate's name is read."""
    BOTH = "both"
    PICTURES = "pictures"
    """The candidates' own pictures are compared; no language model reads anything."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture that shows a class: an exemplar.

    Attributes:
        key: Of the picture in the object store.
        box: The part of it that shows the class; None: all of it.
        pixels: Gives all of it, upright, when asked. Raises NotFound, Corrupt, Unavailable, InvalidInput.
    """

    key: str
    box: Box | None
    pixels: Callable[[], UInt8[np.ndarray, "h w 3"]]


@dataclass(frozen=True, eq=False)
class Question:
    """One region whose candidates are to be ordered.

    Attributes:
        picture: The upright pixels of the whole image.
        region: The part of it that is asked about.
        labels: In retrieval's order, distinct, one to `Terms.most_labels` of them. A label is data: whatever
            stands in it, it is never an order to the model.
        descriptions: One line, or nothing, of each label.
        exemplars: Pictures of each label, at most `Terms.exemplars_per_label`; empty where none is wanted.
    """

    picture: UInt8[np.ndarray, "h w 3"]
    region: Region
    labels: tuple[str, ...]
    descriptions: tuple[str, ...]
    exemplars: tuple[tuple[Shown, ...], ...] = ()


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes:
        mode: How the model is asked.
        orders: In how many orders the candidates are shown to it, at least 1.
        seed: From which they follow; retrieval's order has no part in them.
    """

    mode: Mode = Mode.LETTERS
    orders: int = 1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one source says of each label.

    Attributes:
        source: `letters`, `names`, `generated`, `pairs`, `words`.
        log_probabilities: Of each label in the question's order; their exponentials sum to 1.
    """

    source: str
    log_probabilities: Float64[np.ndarray, "k"]


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a model says of one question.

    Attributes:
        evidence: One entry a source, each averaged over the orders.
        readings: Each time that it was asked; fewer orders than wanted if time ran short.
        models: `name@digest` of each model that took part; a remote one's name, and what it says it is.
        template: Such as `letters@1`.
        prompt_digest: SHA-256, in hexadecimal, of the first order's prompt with the image left out.
        parsed: How the answer was understood.
        tokens: All that the model read and wrote for it, those of the image included: what it cost.
        cut: What of labels and descriptions had no room in the prompt.
        whole: Whether it is all that was asked for; orders are counted apart.
        other_s: Seconds that went into other things than tokens; the pace leaves them out.
    """

    evidence: tuple[Evidence, ...]
    readings: tuple[Reading, ...]
    models: tuple[str, ...]
    template: str
    prompt_digest: str
    parsed: Parsed = Parsed.READ
    tokens: int = 0
    cut: str = ""
    whole: bool = True
    other_s: float = 0.0


@dataclass(frozen=True)
class Terms:
    """On what terms a ranker can be asked; constant while it lives.

    Attributes:
        modes: That it knows, the one that it is best at first.
        most_labels: Of one question.
        exemplars_per_label: Pictures of each label that it wants to see.
        picture_px: Of a whole picture's shorter side, what it needs; a larger one may be reduced so far.
        prompt_tokens: Of a prompt without candidates, those of the image included.
        label_tokens: Of the frame around one label; label and description themselves come on top.
        characters_per_token: Of text.
        call_s: What a call takes before it looks at the first token, at first; it is measured later.
        token_s: What a token takes, at first; it is measured later.
        weights: How much each source counts beside retrieval.
    """

    modes: tuple[Mode, ...] = (Mode.LETTERS,)
    most_labels: int = 26
    exemplars_per_label: int = 0
    picture_px: int = 448
    prompt_tokens: int = 32
    label_tokens: int = 3
    characters_per_token: float = 3.0
    call_s: float = 0.05
    token_s: float = 0.003
    weights: Weights = EQUAL
