"""What ranking needs from the world."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from services.kernel.errors import FoveaError
from services.kernel.rankings import Candidates, Ranking
from services.kernel.sharing import TimeLimit
from services.kernel.vocabulary import ImageReference
from services.ranking.domain.asking import Effort, Judgement, Question, Terms


@runtime_checkable
class Deadline(TimeLimit, Protocol):
    """How long the caller still waits, and how long a part of the work may take."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Give the block at most so many seconds, and never more than the caller waits."""
        ...


@runtime_checkable
class ImageSource(Protocol):
    """Where the bytes of an image are."""

    def read(self, image: ImageReference) -> bytes:
        """Return the bytes that the reference's digest names. Raises NotFound, Corrupt, Unavailable."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """A model that orders candidates; safe to use from many threads, and without memory between calls."""

    def models(self) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part. Raises Unavailable if one is away."""
        ...

    def terms(self) -> Terms:
        """Return on what terms it can be asked; it asks nobody for that."""
        ...

    def rank(self, questions: Sequence[Question], effort: Effort) -> Sequence[Judgement | FoveaError]:
        """Return what the model says of each question, in order.

        The time that is left is `services.runtime.deadline`'s. Who has no time for all orders answers with
        those that were read. What befell one question alone stands in its place as an error: Unavailable,
        DeadlineExceeded, InvalidInput (the region does not fit the picture).

        Args:
            questions: Regions of one image.
            effort: How hard to try; a mode of `terms().modes`.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: No question could be asked.
        """
        ...


@runtime_checkable
class Monitor(Protocol):
    """Is told what operators want to know; it neither blocks nor raises."""

    def ranked(self, found: Candidates, ranking: Ranking) -> None:
        """Take how the candidates of one region were ranked."""
        ...

    def asked(self, tokens: int, duration_s: float) -> None:
        """Take what it cost to ask a model about regions of one image."""
        ...
