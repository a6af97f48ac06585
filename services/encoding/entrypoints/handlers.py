"""The streaming door of encoding."""

from __future__ import annotations

import logging
from typing import Final

from fovea.encoding.v1 import events_pb2 as events
from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.segmentation.v1 import events_pb2 as segmentation_events
from services.encoding import codec
from services.encoding.usecases import EncodeExemplar, EncodeRegions, RecentChanges, RestoreExemplar
from services.runtime.event_log.ports import Position
from services.runtime.event_loop.position import current
from services.runtime.events import Output, Tombstone
from services.runtime.topics import TOPICS

_LOG: Final = logging.getLogger(__name__)


class OnRegionsProposed:
    """Handles all regions of one image and returns them with their embeddings.

    Safe to repeat: the same event gives the same result under the same key.
    """

    def __init__(self, encode: EncodeRegions) -> None:
        self._encode = encode

    def __call__(self, event: segmentation_events.RegionsProposed) -> events.RegionsEncoded:
        """Encode the regions."""
        work = codec.read_regions_event(event)
        return codec.write_regions_event(event, self._encode(work.image, work.regions, spaces=work.spaces))


class OnExemplarsSubmitted:
    """Handles one exemplar and returns what the memory is to keep: its embeddings, or nothing any more.

    All go the same way under the same key, so that forgetting never overtakes remembering. What says of
    itself that it may have been overtaken is left undone if it was.
    """

    def __init__(self, encode: EncodeExemplar, restore: RestoreExemplar) -> None:
        self._encode = encode
        self._restore = restore
        self._recent = RecentChanges()

    def __call__(self, event: gateway_events.ExemplarSubmitted) -> Output | None:
        """Encode the exemplar, check one that comes with its embeddings, or delete it."""
        position = current()
        if position:
            self._recent.arrive(position.partition, position.offset)
        change = codec.read_exemplar_event(event)
        if change.unless_changed_since and not self._unchanged(change, position):
            _LOG.info("%s was changed meanwhile, or may have been: it stays as it is", change.key)
            return None
        output = self._output(change)
        if position:
            self._recent.changed(position.partition, change.key)
        return output

    def _unchanged(self, change: codec.Change, position: Position | None) -> bool:
        since = change.unless_changed_since
        if position is None or position.partition >= len(since):
            return False
        return self._recent.unchanged(position.partition, change.key, since=since[position.partition])

    def _output(self, change: codec.Change) -> Output:
        if change.remember is not None:
            encoded = self._encode(change.remember, spaces=change.spaces)
            return codec.write_exemplar_event(change.collection, encoded)
        if change.restore is not None:
            restored = self._restore(change.restore)
            if change.spaces:
                restored = self._encode.completed(restored, spaces=change.spaces)
            return codec.write_exemplar_event(change.collection, restored)
        return Tombstone(TOPICS["exemplars.encoded"].name, change.key)
