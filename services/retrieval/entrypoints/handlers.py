"""The streaming door of retrieval."""

from __future__ import annotations

from fovea.encoding.v1 import events_pb2 as encoding_events
from fovea.retrieval.v1 import events_pb2 as events
from services.retrieval import codec
from services.retrieval.usecases import Recall


class OnRegionsEncoded:
    """Handles the embeddings of one image and returns its candidates.

    Safe to repeat: with the same memory the same event gives the same result under the same key.
    """

    def __init__(self, recall: Recall) -> None:
        self._recall = recall

    def __call__(self, event: encoding_events.RegionsEncoded) -> events.CandidatesRetrieved:
        """Recall candidates for the regions, as the image's options ask."""
        _, question = codec.read_event(event)
        recalled = self._recall(question.collection, question.regions, question.options)
        return codec.write_event(event, recalled)
