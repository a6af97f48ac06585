"""Multiple choice as an examination: options in a seeded order, letters read strictly, failures counted.

After the protocol of Finedefics (arXiv 2501.15140), whose options were shuffled without a seed and whose
parser took any answer that begins with the article "a" for option A.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from models.ranking.intervals import Z_95, wilson
from models.ranking.orders import orders
from models.ranking.templates import LETTERS

_ANSWER: Final = re.compile(
    r"""^\W*
    (?:(?i:(?:the\s+)?(?:correct\s+|right\s+|best\s+)?(?:answer|option|choice)(?:\s+is|\s*:)?\s*(?:option\s+)?))?
    [(\["'*_]*([A-Z])["'*_]*
    (?:$|[.):\]]["'*_]*(?=\s|$))""",
    re.VERBOSE,
)
_FURTHER: Final = re.compile(r"""(?:^|\s)[(\["'*_]*([A-Z])(?:["'*_]*[.):\]]|["'*_]*\s*$)""")


@dataclass(frozen=True)
class Item:
    """One question of the examination.

    Attributes:
        picture: What it is known by: the order of the options hangs on it.
        truth: The right option.
        distractors: The wrong ones: what looks most like it.
    """

    picture: str
    truth: str
    distractors: tuple[str, ...]

    def __post_init__(self) -> None:
        names = (self.truth, *self.distractors)
        if not self.distractors or len(set(names)) != len(names) or len(names) > len(LETTERS):
            raise ValueError(f"{self.picture}: 2 to {len(LETTERS)} different options are needed, not {names}")


def options(item: Item, *, seed: int) -> tuple[str, ...]:
    """Return the options in the order of their letters; over pictures each order is equally likely."""
    names = sorted((item.truth, *item.distractors))
    digest = hashlib.sha256(f"{seed}/{item.picture!r}".encode()).digest()
    (order,) = orders(names, count=1, seed=int.from_bytes(digest[:8]))
    return tuple(names[i] for i in order)


def letter(answer: str, count: int) -> int | None:
    """Return which of so many options an answer names by a capital letter that stands alone, or None.

    "B", "(B)", "B. barn owl" and "The answer is B." name one. "A bird of prey", "b", "A or B" and a list of
    all options do not.
    """
    text = answer.strip()
    found = _ANSWER.match(text)
    if not found:
        return None
    named = found[1]
    others = {other for other in _FURTHER.findall(text[found.end() :]) if other in LETTERS[:count]}
    return LETTERS.index(named) if named in LETTERS[:count] and others <= {named} else None


@dataclass(frozen=True)
class Counted:
    """A share with its 95 % interval."""

    value: float
    interval: tuple[float, float]
    count: int


@dataclass(frozen=True)
class Report:
    """How an examination went.

    Attributes:
        micro: Share of questions that were answered right; failures count as wrong.
        macro: Mean over classes of their shares.
        failures: Share of questions without a valid answer.
        classes: Right answers and questions of each class.
    """

    micro: Counted
    macro: Counted
    failures: Counted
    classes: Mapping[str, tuple[int, int]]


def report(truths: Sequence[str], chosen: Sequence[str | None]) -> Report:
    """Return how often the chosen labels are the true ones; None stands for no valid answer.

    Raises:
        ValueError: There are no questions, or not as many answers.
    """
    if not truths or len(truths) != len(chosen):
        raise ValueError(f"{len(chosen)} answers to {len(truths)} questions")
    classes: dict[str, tuple[int, int]] = {}
    for truth, label in zip(truths, chosen, strict=True):
        right, count = classes.get(truth, (0, 0))
        classes[truth] = (right + (label == truth), count + 1)
    return Report(
        micro=_counted(sum(right for right, _ in classes.values()), len(truths)),
        macro=_macro(tuple(classes.values())),
        failures=_counted(sum(label is None for label in chosen), len(truths)),
        classes=MappingProxyType(dict(sorted(classes.items()))),
    )


def _counted(hits: int, count: int) -> Counted:
    return Counted(hits / count, wilson(hits, count), count)


def _macro(classes: Sequence[tuple[int, int]]) -> Counted:
    """Return the mean over classes; its interval supposes one more right and one more wrong of each."""
    mean = math.fsum(right / count for right, count in classes) / len(classes)
    smooth = [((right + 1) / (count + 2), count) for right, count in classes]
    error = math.sqrt(math.fsum(share * (1 - share) / count for share, count in smooth)) / len(classes)
    return Counted(mean, (max(0.0, mean - Z_95 * error), min(1.0, mean + Z_95 * error)), len(classes))
