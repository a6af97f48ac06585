"""Changes of the memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from services.gateway.domain.teaching import Change
from services.kernel.vocabulary import (
    CollectionKey,
)


@runtime_checkable
class Pending(Protocol):
    """A change of the memory on its way."""

    def result(self) -> str:
        """Wait until it is durable and return a memory version that holds it.

        Raises DeadlineExceeded, and whatever kept the exemplar from being encoded.
        """
        ...


@dataclass(frozen=True)
class Settled:
    """A moment: what was handed over before is in the memory of that version.

    `offsets` says where each partition of `exemplars.submitted` stood.
    """

    offsets: tuple[int, ...]
    memory_version: str


@runtime_checkable
class Teacher(Protocol):
    """Changes the memory."""

    def submit(self, changes: Sequence[Change]) -> Sequence[Pending]:
        """Hand the changes over, in order; one that is handed over takes place even if nobody waits."""
        ...

    def hand_over(self, changes: Sequence[Change]) -> None:
        """As `submit`, for who does not wait. Raises Unavailable."""
        ...

    def settle(self, collection: CollectionKey) -> Settled:
        """Wait until all that anybody handed over before is in the memory. Raises DeadlineExceeded."""
        ...

    def memory_version(self) -> str:
        """Return the version that holds everything that is durable by now."""
        ...


@runtime_checkable
class BackFillMonitor(Protocol):
    """Is told what operators want to know of exemplars that are encoded again; neither blocks nor raises."""

    def remaining(self, *, lacking: int, leaving: int) -> None:
        """Take how many exemplars lack an embedding, and how many have one that is to go."""
        ...

    def handed_over(self, count: int) -> None:
        """Take that so many were handed over."""
        ...
