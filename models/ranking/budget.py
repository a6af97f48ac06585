"""A question that has too many tokens: descriptions are cut first, then names, and it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from models.ranking.templates import Content

_DESCRIPTIONS: Final = (240, 120, 60, 30, 0)
_LABELS: Final = (80, 40, 20, 10)


@dataclass(frozen=True)
class Fitted:
    """A question within its budget, or as near to it as cutting can bring it.

    Attributes:
        content: What is to be rendered.
        tokens: That it takes.
        fits: Whether these are within the budget; if not, fewer candidates have to do.
        cut: What had to be cut, for the record; empty if nothing had.
    """

    content: Content
    tokens: int
    fits: bool
    cut: str = ""


def fitted(content: Content, *, limit: int, count: Callable[[Content], int]) -> Fitted:
    """Return the question with as little cut away as its budget allows.

    Args:
        content: The question.
        limit: Most tokens.
        count: How many tokens a question takes, template, wrapping and image included.

    Raises:
        ValueError: `limit` is not positive.
    """
    if limit < 1:
        raise ValueError(f"a budget of {limit} tokens has room for nothing")
    best = Fitted(content, count(content), fits=False)
    if best.tokens <= limit:
        return replace(best, fits=True)
    for shorter, cut in _shorter(content):
        best = Fitted(shorter, count(shorter), fits=False, cut=cut)
        if best.tokens <= limit:
            return replace(best, fits=True)
    return best


def _shorter(content: Content) -> Iterator[tuple[Content, str]]:
    """Yield the question cut more and more, and what was cut."""
    said = []
    longest = max(map(len, content.descriptions), default=0)
    for length in _DESCRIPTIONS:
        if length < min(longest, content.description_length):
            content = replace(content, description_length=length)
            said = [f"descriptions to {length} characters" if length else "descriptions left out"]
            yield content, said[0]
    longest = max(map(len, (*content.labels, *content.example)), default=0)
    for length in _LABELS:
        if length < min(longest, content.label_length):
            content = replace(content, label_length=length)
            yield content, ", ".join((*said, f"names to {length} characters"))
