"""What ranking needs from the world."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from services.kernel.vocabulary import Candidates, Ranking


@runtime_checkable
class Monitor(Protocol):
    """Is told what operators want to know; it neither blocks nor raises."""

    def ranked(self, found: Candidates, ranking: Ranking) -> None:
        """Take how the candidates of one region were ranked."""
        ...
