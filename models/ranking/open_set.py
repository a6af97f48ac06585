"""What a model calls a thing in its own words, found again in a list of classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float

from models.ranking.parsing import folded

Embed: TypeAlias = Callable[[Sequence[str]], Float[np.ndarray, "n dim"]]
"""Unit-norm embeddings of texts."""
LONGEST: Final = 1_000
"""Characters of an answer that are looked at."""
_ARTICLE: Final = re.compile(r"^(?:an?|the)\s+")
_JOINT: Final = re.compile(r"[-_/\s]+")


class Matching(Enum):
    """How a name was found."""

    EXACT = "exact"
    NORMALISED = "normalised"
    SYNONYM = "synonym"
    NEAREST = "nearest"
    NONE = "none"


@dataclass(frozen=True)
class Match:
    """A class, and how it was found; `similarity` is the cosine of the nearest one, else 1, of none 0."""

    label: str | None
    matching: Matching
    similarity: float


class Vocabulary:
    """A list of classes that answers are looked up in; it does not change.

    Args:
        labels: The classes.
        synonyms: Other names of a class.
        embed: Reads names; without it only names themselves are found.
        least: Cosine that the nearest class needs.

    Raises:
        ValueError: There are no labels, two of one name, or synonyms of an unknown one.
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        synonyms: Mapping[str, Collection[str]] | None = None,
        embed: Embed | None = None,
        least: float = 0.0,
    ) -> None:
        if not labels or len(set(labels)) != len(labels):
            raise ValueError("labels of classes are needed, each once")
        others = synonyms or {}
        if not others.keys() <= set(labels):
            raise ValueError(f"synonyms of what is no class: {sorted(others.keys() - set(labels))}")
        self._labels = tuple(labels)
        self._normalised = _table((_normalised(label), label) for label in labels)
        self._synonyms = _table((_normalised(name), label) for label in others for name in others[label])
        self._embed = embed
        self._embeddings = embed(labels) if embed else np.zeros((len(labels), 0))
        self._least = least

    def match(self, said: str, *, among: Collection[str] | None = None) -> Match:
        """Return the class that was meant.

        Args:
            said: The model's own words.
            among: Classes that count, such as retrieval's candidates; None: all.
        """
        allowed = set(self._labels if among is None else among)
        text = said[:LONGEST].strip()
        if text in allowed and text in self._labels:
            return Match(text, Matching.EXACT, 1.0)
        name = _normalised(text)
        for table, matching in (
            (self._normalised, Matching.NORMALISED),
            (self._synonyms, Matching.SYNONYM),
        ):
            found = table.get(name, set()) & allowed
            if len(found) == 1:
                return Match(next(iter(found)), matching, 1.0)
        return self._nearest(text, allowed) if name else Match(None, Matching.NONE, 0.0)

    def _nearest(self, text: str, allowed: Collection[str]) -> Match:
        if self._embed is None:
            return Match(None, Matching.NONE, 0.0)
        similarity = self._embeddings @ self._embed([text])[0]
        similarity[[label not in allowed for label in self._labels]] = -np.inf
        best = int(np.argmax(similarity))
        if not similarity[best] >= self._least:  # NaN fails as well
            return Match(None, Matching.NONE, 0.0)
        return Match(self._labels[best], Matching.NEAREST, float(similarity[best]))


def _table(pairs: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    table: dict[str, set[str]] = {}
    for name, label in pairs:
        table.setdefault(name, set()).add(label)
    return table


def _normalised(text: str) -> str:
    """Return a name without case, article, hyphens and what stands around it."""
    return _ARTICLE.sub("", _JOINT.sub(" ", folded(text)))
