"""What the gateway tells the rest of the platform, over the event log."""

from __future__ import annotations

from fovea.gateway.v1 import events_pb2
from services.gateway.codec.events import write_completed
from services.gateway.codec.memory import write_feedback
from services.gateway.domain.recognition import Recognition
from services.gateway.domain.teaching import Feedback
from services.kernel.vocabulary import Envelope
from services.runtime.codec.recognition import write_envelope
from services.runtime.events import event_id
from services.runtime.publisher import Publisher


class LogAnnouncer:
    """Publishes events; each is durable when the call returns."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def submitted(self, envelope: Envelope) -> None:
        """An image is stored and waits for recognition."""
        self._publisher.publish(events_pb2.ImageSubmitted(envelope=write_envelope(envelope)))

    def completed(self, recognition: Recognition) -> None:
        """A recognition has ended, and its record is stored."""
        self._publisher.publish(write_completed(recognition))

    def corrected(self, feedback: Feedback) -> None:
        """A person gave the right label; the same correction has the same id."""
        about = (feedback.recognition_id, feedback.region_id, feedback.exemplar_id)
        same_id = event_id("feedback.given", feedback.collection.tenant, *about)
        self._publisher.publish(write_feedback(feedback), event_ids=[same_id])
