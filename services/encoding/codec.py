"""Messages of encoding to values and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import events_pb2 as events
from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.segmentation.v1 import events_pb2 as segmentation_events
from services.encoding.domain import RegionReading
from services.encoding.usecases import EncodedMaps, EncodedRegions, EncodedTexts, StoredMap
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_id
from services.kernel.vocabulary import (
    CollectionKey,
    EncodedExemplar,
    Exemplar,
    ImageReference,
    Region,
    voting_spaces,
)
from services.runtime.codec import exemplar as exemplars
from services.runtime.codec import recognition, region
from services.runtime.topics import Subject

_READINGS: Final = {
    RegionReading.CROP: pb.REGION_READING_CROP,
    RegionReading.DENSE: pb.REGION_READING_DENSE,
}
_READINGS_READ: Final = {message: value for value, message in _READINGS.items()}


class Work(NamedTuple):
    """Which parts of which image are to be encoded, into which spaces, and how they are read."""

    image: ImageReference
    regions: tuple[Region, ...]
    spaces: tuple[str, ...]
    reading: RegionReading | None = None


def read_regions_request(message: pb.EncodeRegionsRequest) -> Work:
    """Read what is to be encoded. Raises InvalidInput."""
    regions = region.read_regions(message.regions, field="regions")
    image = region.read_image(message.image)
    return Work(image, regions, tuple(message.spaces), _read_reading(message.reading))


def _read_reading(number: pb.RegionReading.ValueType) -> RegionReading | None:
    if number == pb.REGION_READING_UNSPECIFIED:
        return None
    if number not in _READINGS_READ:
        raise InvalidInput(
            f"reading is {number}, which nobody here knows: 1 reads crops, 2 a map of the image",
            field="reading",
            reason="READING_UNKNOWN",
        )
    return _READINGS_READ[number]


def write_spaces_response(looks: Mapping[str, str], texts: Mapping[str, str]) -> pb.ListSpacesResponse:
    """Write which encoder of pictures, and of texts, serves which space."""
    return pb.ListSpacesResponse(spaces=_write_spaces(looks), text_spaces=_write_spaces(texts))


def _write_spaces(encoders: Mapping[str, str]) -> Iterator[pb.EncodedSpace]:
    return (pb.EncodedSpace(space=space, encoder=encoder) for space, encoder in encoders.items())


def write_regions_response(encoded: EncodedRegions) -> pb.EncodeRegionsResponse:
    """Write the answer of the waiting door."""
    return pb.EncodeRegionsResponse(
        regions=map(exemplars.write_region_embeddings, encoded.regions),
        stage=recognition.write_stage(encoded.stage),
    )


def write_maps_response(encoded: EncodedMaps) -> pb.EncodeMapsResponse:
    """Write where the maps of an image lie."""
    encoder = " ".join(encoded.stage.models)
    return pb.EncodeMapsResponse(
        maps=[_write_map(each, encoder) for each in encoded.maps],
        stage=recognition.write_stage(encoded.stage),
    )


def _write_map(stored: StoredMap, encoder: str) -> pb.StoredMap:
    return pb.StoredMap(
        name=stored.name,
        key=stored.key,
        digest=stored.digest,
        shape=stored.shape,
        dtype="FP32",
        encoder=encoder,
    )


def read_texts_request(message: pb.EncodeTextsRequest) -> Sequence[str]:
    """Read the texts. Raises InvalidInput if there are too many."""
    if len(message.texts) > LIMITS.texts_per_request:
        raise InvalidInput(
            f"texts has {len(message.texts)} entries, at most {LIMITS.texts_per_request} are allowed",
            field="texts",
            reason="TOO_MANY_TEXTS",
        )
    return message.texts


def write_texts_response(encoded: EncodedTexts) -> pb.EncodeTextsResponse:
    """Write the answer."""
    return pb.EncodeTextsResponse(
        embeddings=map(exemplars.write_embedding, encoded.embeddings),
        stage=recognition.write_stage(encoded.stage),
    )


def read_regions_event(message: segmentation_events.RegionsProposed) -> Work:
    """Read what is to be encoded: into the spaces that vote. Raises InvalidInput."""
    envelope = recognition.read_envelope(message.envelope)
    regions = region.read_regions(message.regions, field="regions")
    return Work(envelope.image, regions, tuple(voting_spaces(envelope.options.votes)))


def write_regions_event(
    message: segmentation_events.RegionsProposed, encoded: EncodedRegions
) -> events.RegionsEncoded:
    """Write the answer of the streaming door; its envelope has this stage as its last, regions stay."""
    return events.RegionsEncoded(
        envelope=recognition.passed_on(message.envelope, encoded.stage),
        regions=message.regions,
        embeddings=map(exemplars.write_region_embeddings, encoded.regions),
    )


class Change(NamedTuple):
    """What is to become of one exemplar.

    Attributes:
        collection: Whose it is.
        exemplar_id: Which.
        remember: What is to be encoded.
        restore: What comes with its embeddings. Without either, the exemplar is to be forgotten.
        spaces: Into which it is to be encoded.
        unless_changed_since: An offset for each partition: from there on nobody else may have changed it.
    """

    collection: CollectionKey
    exemplar_id: str
    remember: Exemplar | None = None
    restore: EncodedExemplar | None = None
    spaces: tuple[str, ...] = ()
    unless_changed_since: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """The key of the exemplar in the topics."""
        return Subject(self.collection.tenant, self.collection.collection, self.exemplar_id).key


def read_exemplar_event(message: gateway_events.ExemplarSubmitted) -> Change:
    """Read what is to become of an exemplar. Raises InvalidInput."""
    collection = recognition.read_collection(message.collection)
    exemplar_id = checked_id(message.exemplar_id, field="exemplar_id")
    asked = Change(
        collection,
        exemplar_id,
        spaces=tuple(message.spaces),
        unless_changed_since=tuple(message.unless_changed_since),
    )
    kind = message.WhichOneof("change")
    if kind == "forget":
        return asked
    if kind == "remember":
        exemplar = exemplars.read_exemplar(message.remember, field="remember")
        _require_same(exemplar.exemplar_id, exemplar_id, field="remember.exemplar_id")
        return asked._replace(remember=exemplar)
    if kind == "restore":
        encoded = exemplars.read_encoded_exemplar(message.restore, field="restore")
        _require_same(encoded.exemplar.exemplar_id, exemplar_id, field="restore.exemplar.exemplar_id")
        return asked._replace(restore=encoded)
    raise InvalidInput(
        "change is missing: remember, restore or forget", field="change", reason="CHANGE_MISSING"
    )


def _require_same(found: str, wanted: str, *, field: str) -> None:
    if found != wanted:
        raise InvalidInput(f"{field} is not {wanted}", field=field, reason="EXEMPLAR_ID_MISMATCH")


def write_exemplar_event(collection: CollectionKey, encoded: EncodedExemplar) -> events.ExemplarEncoded:
    """Write an exemplar for the memory."""
    return events.ExemplarEncoded(
        collection=recognition.write_collection(collection),
        exemplar=exemplars.write_encoded_exemplar(encoded),
    )
