"""The streaming door of encoding."""

from __future__ import annotations

from fovea.encoding.v1 import events_pb2 as events
from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.segmentation.v1 import events_pb2 as segmentation_events
from services.encoding import codec
from services.encoding.usecases import EncodeExemplar, EncodeRegions, RestoreExemplar
from services.runtime.events import Output, Tombstone
from services.runtime.topics import TOPICS, Subject


class OnRegionsProposed:
    """Handles all regions of one image and returns them with their embeddings.

    Safe to repeat: the same event gives the same result under the same key.
    """

    def __init__(self, encode: EncodeRegions) -> None:
        self._encode = encode

    def __call__(self, event: segmentation_events.RegionsProposed) -> events.RegionsEncoded:
        """Encode the regions."""
        envelope, regions = codec.read_regions_event(event)
        return codec.write_regions_event(event, self._encode(envelope.image, regions))


class OnExemplarsSubmitted:
    """Handles one exemplar and returns what the memory is to keep: its embeddings, or nothing any more.

    All go the same way under the same key, so that forgetting never overtakes remembering.
    """

    def __init__(self, encode: EncodeExemplar, restore: RestoreExemplar) -> None:
        self._encode = encode
        self._restore = restore

    def __call__(self, event: gateway_events.ExemplarSubmitted) -> Output:
        """Encode the exemplar, check one that comes with its embeddings, or delete it."""
        change = codec.read_exemplar_event(event)
        if change.remember is not None:
            return codec.write_exemplar_event(change.collection, self._encode(change.remember))
        if change.restore is not None:
            return codec.write_exemplar_event(change.collection, self._restore(change.restore))
        key = Subject(change.collection.tenant, change.collection.collection, change.exemplar_id).key
        return Tombstone(TOPICS["exemplars.encoded"].name, key)
