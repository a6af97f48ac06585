"""The streaming door of ranking."""

from __future__ import annotations

import time
from collections.abc import Callable

from fovea.ranking.v1 import events_pb2 as events
from fovea.retrieval.v1 import events_pb2 as retrieval_events
from services.ranking import codec
from services.ranking.usecases import Rank


class OnCandidatesRetrieved:
    """Handles the candidates of one image and returns its record: this is where a recognition is complete.

    Safe to repeat: the same event gives the same answer under the same key; only its times differ.

    Args:
        rank: Orders the candidates.
        now: Gives the time in seconds since the epoch.
    """

    def __init__(self, rank: Rank, *, now: Callable[[], float] = time.time) -> None:
        self._rank = rank
        self._now = now

    def __call__(self, event: retrieval_events.CandidatesRetrieved) -> events.RecognitionCompleted:
        """Rank the candidates as the image's options ask, and assemble the record."""
        asked = codec.read_event(event)
        ranked = self._rank(asked.found, asked.options, image=asked.image, regions=asked.regions)
        return codec.write_event(event, ranked, ended_at_s=self._now())
