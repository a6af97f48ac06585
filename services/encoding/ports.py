"""What encoding needs from the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from services.encoding.domain import Vectors
from services.kernel.vocabulary import ImageReference


@runtime_checkable
class ImageSource(Protocol):
    """Where the bytes of an image are."""

    def read(self, image: ImageReference) -> bytes:
        """Return the bytes that the reference's digest names. Raises NotFound, Corrupt, Unavailable."""
        ...


@runtime_checkable
class ImageEncoder(Protocol):
    """Sees crops; safe to use from many threads."""

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part."""
        ...

    def spaces(self) -> tuple[str, ...]:
        """Return the spaces that it encodes into, that of looks first."""
        ...

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> tuple[Vectors, ...]:
        """Return the crops' embeddings, in order, once for each of its spaces.

        Raises Unavailable, DeadlineExceeded.
        """
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Reads texts; safe to use from many threads."""

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the texts' embeddings, in order. Raises Unavailable, DeadlineExceeded."""
        ...


@runtime_checkable
class TimeLimit(Protocol):
    """How long the caller still waits."""

    def remaining_s(self) -> float | None:
        """Return the seconds left, at least 0, or None when there is no limit."""
        ...

    def check(self) -> None:
        """Do nothing while the answer is still wanted. Raises DeadlineExceeded, Unavailable."""
        ...
