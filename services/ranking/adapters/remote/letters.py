"""What a list of likely next tokens says of the letters that candidates stand behind."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_BLANKS: Final = " \t\r\n\u2581\u0120\u010a"  # and what tokenizers write in their place
_BEHIND: Final = ".):"
_NOT_LISTED: Final = -9999.0
"""What OpenAI gives for a token that is not among the likely ones."""
_ROUNDING: Final = 1e-3
_LEAST: Final = 1e-12
"""Of what is left when rounding leaves nothing."""


@dataclass(frozen=True)
class Letters:
    """The log-probability of each letter, over the whole vocabulary.

    Attributes:
        log_probabilities: One for each letter, all finite.
        bounded: Places of letters that the server did not list: theirs is the most that it can be.
    """

    log_probabilities: tuple[float, ...]
    bounded: tuple[int, ...] = ()


def read_letters(listed: Iterable[tuple[str, float]], count: int) -> Letters | None:
    """Return what a list says of the first letters.

    A letter has the probability of all tokens that are it: with a blank before it or without, or with a dot
    behind it. Servers list some of the most likely tokens. A letter that is missing is less likely than the
    least of these, and has no more than what they leave of 1. It gets the smaller of the two, which is the
    most that it can be, and is named as bounded.

    Args:
        listed: Tokens as text, each with its log-probability; NaN is passed over.
        count: Letters asked for, 1 to 26.

    Returns:
        None if no letter is listed, which says nothing of any.

    Raises:
        ValueError: A probability is more than 1.
    """
    seen = [(text, value) for text, value in listed if value > _NOT_LISTED]  # NaN fails as well
    if any(value > _ROUNDING for _, value in seen):
        raise ValueError("a token is listed with a probability above 1")
    found: dict[str, float] = {}
    for text, value in seen:
        letter = letter_of(text)
        if letter in LETTERS[:count]:
            found[letter] = _sum(found.get(letter, -math.inf), min(value, 0.0))
    found.pop("", None)
    if not found:
        return None
    bound = _bound([min(value, 0.0) for _, value in seen])
    values = tuple(found.get(letter, bound) for letter in LETTERS[:count])
    return Letters(values, tuple(n for n, letter in enumerate(LETTERS[:count]) if letter not in found))


def letter_of(text: str) -> str:
    """Return the letter that a token is, or nothing."""
    bare = text.strip(_BLANKS)
    bare = bare[:-1] if len(bare) > 1 and bare[-1] in _BEHIND else bare
    return bare if len(bare) == 1 and bare in LETTERS else ""


def _bound(values: list[float]) -> float:
    """Return the most that a token has which is not among those listed."""
    left = max(1.0 - math.fsum(map(math.exp, values)), _LEAST)
    return min(*values, math.log(left))


def _sum(one: float, other: float) -> float:
    """Return the logarithm of the sum of two probabilities."""
    high, low = max(one, other), min(one, other)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
