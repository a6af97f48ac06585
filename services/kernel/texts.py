"""Reading texts: what reads them, and how those that were read before are not read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from services.kernel.sharing import Once, TimeLimit
from services.kernel.vectors import Vectors
from services.kernel.vocabulary import Embedding

MOST_TEXTS: Final = 16
"""Texts of one forward pass."""

TextKey = tuple[tuple[str, ...], str]
"""The models, and the text."""


@runtime_checkable
class TextEncoder(Protocol):
    """Reads texts; safe to use from many threads."""

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part."""
        ...

    def space(self) -> str:
        """Return the space that it encodes into."""
        ...

    def name_templates(self) -> tuple[str, ...]:
        """Return the sentences that a name is read in, each with `{}` for the name; none: as it is."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the texts' embeddings, in order. Raises Unavailable, DeadlineExceeded."""
        ...


class KnownTexts:
    """Gives texts their embeddings, those used last without asking the model.

    Args:
        once: Shares and keeps the embeddings, by models and text.
        limit: When to give up.
    """

    def __init__(self, once: Once[TextKey, Embedding], limit: TimeLimit) -> None:
        self._once = once
        self._limit = limit

    def __call__(self, encoder: TextEncoder, texts: Sequence[str]) -> list[Embedding]:
        """Return the embeddings of the texts, in order. Raises DeadlineExceeded, Unavailable."""
        models = encoder.models()
        return self._once([(models, text) for text in texts], lambda missing: self._encoded(encoder, missing))

    def _encoded(self, encoder: TextEncoder, missing: Sequence[TextKey]) -> list[Embedding]:
        found: list[Embedding] = []
        for start in range(0, len(missing), MOST_TEXTS):
            self._limit.check()
            texts = [text for _, text in missing[start : start + MOST_TEXTS]]
            vectors = encoder.encode(texts)
            found += map(vectors.row, range(len(texts)))
        return found
