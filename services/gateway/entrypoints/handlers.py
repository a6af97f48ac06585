"""Events that the gateway takes: how recognitions of the streaming door end."""

from __future__ import annotations

from fovea.ranking.v1 import events_pb2 as ranking_events
from services.gateway.codec.events import read_completed, read_dead_letter, write_completed
from services.gateway.usecases.submit import EndRecognition, FailRecognition
from services.runtime.dead_letters import DeadLetter


class OnRecognitionsCompleted:
    """Keeps the record. The first one stays, so handling an event again changes nothing."""

    def __init__(self, end: EndRecognition) -> None:
        self._end = end

    def __call__(self, event: ranking_events.RecognitionCompleted) -> None:
        """Store record and marker."""
        if not event.recognition.envelope.submission_id:
            return  # the waiting door stores its records before it tells of them
        self._end(read_completed(event))


class OnDeadLetter:
    """Ends a recognition as failed when one of its steps could not be taken."""

    def __init__(self, fail: FailRecognition) -> None:
        self._fail = fail

    def __call__(self, letter: DeadLetter) -> ranking_events.RecognitionCompleted:
        """Return the record of the failure, which `recognitions.completed` then tells of."""
        return write_completed(self._fail(read_dead_letter(letter)))
