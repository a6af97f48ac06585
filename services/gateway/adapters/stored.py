"""Images, records and markers over the object store."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter

from fovea.gateway.v1 import events_pb2
from fovea.kernel.v1 import recognition_pb2
from services.gateway.codec.recognition import read_recognition, write_recognition
from services.gateway.domain import keys
from services.gateway.domain.recognition import Progress, Recognition, RecognitionState
from services.gateway.ports import StoredImage
from services.kernel.errors import NotFound
from services.kernel.vocabulary import Envelope
from services.runtime.codec.recognition import read_envelope, write_envelope
from services.runtime.object_store.ports import ObjectStore

_ACCEPTED = "accepted"


class StoredImages:
    """Images as objects under their digest."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def store(self, key: str, image: bytes, *, renew: bool = False) -> None:
        """Make the image durable."""
        if renew:
            self._objects.put(key, image)
        else:
            self._objects.put_if_absent(key, image)

    def has(self, key: str) -> bool:
        """Whether the image is there."""
        try:
            self._objects.get(key)
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove the image."""
        self._objects.delete(key)

    def list(self, prefix: str) -> Iterator[StoredImage]:
        """Yield the images whose key starts with `prefix`."""
        return (StoredImage(each.key, each.modified_s) for each in self._objects.list(prefix))


class StoredRecognitions:
    """Records as serialised messages; any replica reads what another wrote."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def find(self, tenant: str, recognition_id: str) -> Recognition | None:
        """Return the record, or None until the recognition has ended."""
        try:
            raw = self._objects.get(keys.recognition(tenant, recognition_id))
        except NotFound:
            return None
        return read_recognition(recognition_pb2.Recognition.FromString(raw))

    def keep(self, recognition: Recognition) -> Recognition:
        """Make the record durable unless there is one, and return the one that stays."""
        envelope = recognition.envelope
        tenant = envelope.collection.tenant
        key = keys.recognition(tenant, envelope.recognition_id)
        if self._objects.put_if_absent(key, write_recognition(recognition).SerializeToString()):
            return recognition
        return self.find(tenant, envelope.recognition_id) or recognition


class StoredSubmissions:
    """Markers: one object for each image of a batch and each state that it reached."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def find(self, envelope: Envelope) -> Envelope | None:
        """Return what was accepted under these ids, or None."""
        try:
            raw = self._objects.get(_marker(envelope, _ACCEPTED))
        except NotFound:
            return None
        return read_envelope(events_pb2.ImageSubmitted.FromString(raw).envelope)

    def accept(self, envelope: Envelope) -> Envelope:
        """Make the acceptance durable unless it is, and return the one that stays."""
        marker = events_pb2.ImageSubmitted(envelope=write_envelope(envelope))
        if self._objects.put_if_absent(_marker(envelope, _ACCEPTED), marker.SerializeToString()):
            return envelope
        return self.find(envelope) or envelope

    def end(self, envelope: Envelope, state: RecognitionState) -> None:
        """Note that the image has ended."""
        self._objects.put_if_absent(_marker(envelope, state.value), b"")

    def progress(self, tenant: str, submission_id: str) -> Progress:
        """Count the images; one that has ended was accepted, even if a crash kept its marker away."""
        counts: Counter[str] = Counter()
        states = (_ACCEPTED, RecognitionState.COMPLETED.value, RecognitionState.FAILED.value)
        marked = heapq.merge(*(self._marked(tenant, submission_id, state) for state in states))
        for _, group in itertools.groupby(marked, key=itemgetter(0)):
            counts.update({state for _, state in group} | {_ACCEPTED})
        return Progress(*(counts[state] for state in states))

    def _marked(self, tenant: str, submission_id: str, state: str) -> Iterator[tuple[bytes, str]]:
        """Yield the images in this state, in the order that the store lists them in."""
        prefix = keys.markers(tenant, submission_id, state)
        for entry in self._objects.list(prefix):
            yield entry.key.removeprefix(prefix).encode(), state


def _marker(envelope: Envelope, state: str) -> str:
    prefix = keys.markers(envelope.collection.tenant, envelope.submission_id, state)
    return prefix + envelope.recognition_id
