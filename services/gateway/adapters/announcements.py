"""What the gateway tells the rest of the platform, over the event log."""

from __future__ import annotations

from google.protobuf.message import Message

from fovea.gateway.v1 import events_pb2
from fovea.ranking.v1 import events_pb2 as ranking_events
from services.gateway.codec.memory import write_feedback
from services.gateway.codec.recognition import write_recognition
from services.gateway.domain.recognition import Recognition
from services.gateway.domain.teaching import Feedback, digest_of
from services.kernel.vocabulary import Envelope
from services.runtime.codec.recognition import write_envelope
from services.runtime.event_log.ports import EventLog
from services.runtime.events import EventWriter


class LogAnnouncer:
    """Publishes events; each is durable when the call returns."""

    def __init__(self, log: EventLog, writer: EventWriter) -> None:
        self._log = log
        self._writer = writer

    def submitted(self, envelope: Envelope) -> None:
        """An image is stored and waits for recognition."""
        self._publish(events_pb2.ImageSubmitted(envelope=write_envelope(envelope)))

    def completed(self, recognition: Recognition) -> None:
        """A recognition has ended, and its record is stored."""
        self._publish(ranking_events.RecognitionCompleted(recognition=write_recognition(recognition)))

    def corrected(self, feedback: Feedback) -> None:
        """A person gave the right label; the same correction has the same id."""
        about = (feedback.recognition_id, feedback.region_id, feedback.exemplar_id)
        self._publish(write_feedback(feedback), own_id=digest_of((feedback.collection.tenant, *about)))

    def _publish(self, message: Message, *, own_id: str = "") -> None:
        self._log.publish([self._writer.record(message, own_id=own_id)])
