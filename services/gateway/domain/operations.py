"""Events that nobody could handle, and what may be done about them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.kernel.errors import Conflict, FoveaError
from services.kernel.failures import Failure

CHAIN: Final = ("images.submitted", "regions.proposed", "regions.encoded", "candidates.retrieved")
"""Topics on whose dead letters a recognition has ended."""


@dataclass(frozen=True)
class Letter:
    """A dead letter without its bytes. Times are in seconds since the epoch."""

    id: str
    topic: str
    partition: int
    offset: int
    key: str
    tenant: str
    headers: Mapping[str, str]
    failure: Failure
    attempts: int
    service: str
    version: str
    first_seen_s: float
    last_seen_s: float
    replayed_s: float | None = None


@dataclass(frozen=True)
class LetterFilter:
    """Which of a tenant's letters are meant; an empty field means all."""

    tenant: str
    topic: str = ""
    reason: str = ""
    ids: frozenset[str] = frozenset()

    @property
    def names_some(self) -> bool:
        """Whether it says more than whose they are."""
        return bool(self.topic or self.reason or self.ids)

    def __contains__(self, letter: Letter) -> bool:
        return (
            letter.tenant == self.tenant
            and self.topic in ("", letter.topic)
            and self.reason in ("", letter.failure.reason)
            and (not self.ids or letter.id in self.ids)
        )


class ReplayOutcome(enum.Enum):
    """What became of a letter."""

    REPLAYED = enum.auto()
    WOULD_REPLAY = enum.auto()
    ALREADY_REPLAYED = enum.auto()
    REFUSED = enum.auto()


@dataclass(frozen=True)
class Replay:
    """A letter and what became of it; `error` says why it was refused."""

    letter: Letter
    outcome: ReplayOutcome
    error: FoveaError | None = None


def require_replayable(letter: Letter) -> None:
    """Do nothing if publishing the event again can still change something. Raises Conflict.

    A record is written once, and the first one stays. A dead letter of a recognition's step is what ended
    that recognition as failed, and callers may have acted on that: to let its steps run again would cost
    their work and change nothing.
    """
    if letter.topic in CHAIN:
        raise Conflict(
            "this recognition has ended as failed, and a record is written once; submit the image again "
            "under a new id",
            reason="RECOGNITION_ENDED",
        )
