"""Messages that nobody can handle, each with the reason that it must end with."""

from __future__ import annotations

import hashlib
import io
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from google.protobuf.message import Message
from PIL import Image

from fovea.encoding.v1.events_pb2 import RegionsEncoded
from fovea.gateway.v1.events_pb2 import ExemplarSubmitted, ImageSubmitted
from fovea.kernel.v1.candidates_pb2 import Candidates
from fovea.kernel.v1.embedding_pb2 import Embedding, RegionEmbeddings
from fovea.kernel.v1.envelope_pb2 import CollectionKey, Envelope, RecognitionOptions
from fovea.kernel.v1.image_pb2 import ImageReference
from fovea.kernel.v1.region_pb2 import REGION_ORIGIN_WHOLE_IMAGE, Box, Region, Shape
from fovea.retrieval.v1.events_pb2 import CandidatesRetrieved
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.runtime.event_log.ports import NewRecord
from services.runtime.object_store.ports import ObjectStore
from tests.e2e import pictures
from tests.e2e.pictures import drawing, encoded

PICTURE_FORMATS: Final = ("JPEG", "PNG", "WEBP")
FLOW: Final = ("images.submitted", "regions.proposed", "regions.encoded", "candidates.retrieved")
VIEWS: Final = ("exemplars.encoded", "collections.changed")
_SIDE_PX: Final = 128


@dataclass(frozen=True)
class Poison:
    """One of them.

    Args:
        name: What is wrong with it.
        record: As it is handed in.
        reason: Of the dead letter that it ends as.
    """

    name: str
    record: NewRecord
    reason: str


@cache
def bomb() -> bytes:
    """Return a picture of a few kilobytes that would unpack to 400 million pixels."""
    return pictures.bomb()


def truncated(format_: str) -> bytes:
    """Return the first half of a picture: its header is right, its pixels end too early."""
    whole = encoded(drawing("poppy", side=256), format_)
    return whole[: len(whole) // 2]


def fatal_picture(number: int) -> bytes:
    """Return a picture that `fatal_encoding` dies of; each number gives other bytes."""
    file = io.BytesIO()
    Image.new("RGB", (200 + number, 200), (255, 0, 255)).save(file, "PNG")
    return file.getvalue()


class Corpus:
    """Makes the messages; each has a key of its own, so that all partitions get their share.

    Args:
        store: Where the pictures that they name are put.
        collection: What they claim to belong to.
    """

    def __init__(self, store: ObjectStore, collection: str) -> None:
        self._store = store
        self._collection = collection

    def __call__(self, copy: int) -> Iterator[Poison]:
        """Yield one of each kind; another copy has other ids, and other random bytes."""
        makers: list[Callable[[int], Iterator[Poison]]] = [
            self._no_messages,
            self._claims,
            self._envelopes,
            self._pictures,
            self._vectors,
        ]
        for maker in makers:
            yield from maker(copy)

    def _no_messages(self, copy: int) -> Iterator[Poison]:
        noise = b"\xff\xff" + random.Random(copy).randbytes(200)  # noqa: S311  (no secret)
        for topic in (*FLOW, "recognitions.completed", "exemplars.submitted"):
            yield self._raw(f"bad protobuf in {topic}", copy, topic, noise, "UNDECODABLE")
            yield self._raw(f"no value in {topic}", copy, topic, None, "NO_VALUE")
        for topic in FLOW:
            yield self._raw(f"empty value in {topic}", copy, topic, b"", "ID_INVALID")
        half = self._proposed(copy, "half").SerializeToString()[:-3]
        yield self._raw("half a message", copy, "regions.proposed", half, "UNDECODABLE")

    def _claims(self, copy: int) -> Iterator[Poison]:
        nowhere = f"default/payloads/regions.proposed/{'0' * 64}"
        for topic in FLOW:
            claim = {"payload-key": nowhere, "payload-bytes": "300000"}
            yield self._raw(f"claim to nowhere in {topic}", copy, topic, b"", "PAYLOAD_MISSING", claim)
        outside = {"payload-key": "../../../etc/passwd", "payload-bytes": "300000"}
        yield self._raw("claim outside the store", copy, "regions.proposed", b"", "DATA_LOSS", outside)

    def _envelopes(self, copy: int) -> Iterator[Poison]:
        topic = "images.submitted"
        slashes = ImageSubmitted(envelope=self._envelope(copy, "slashes"))
        slashes.envelope.collection.tenant = "../../etc"
        yield self._message("tenant with slashes", copy, topic, slashes, "NAME_INVALID")
        nameless = ImageSubmitted(envelope=self._envelope(copy, "nameless"))
        nameless.envelope.recognition_id = "\n" * 5_000
        yield self._message("id of line breaks", copy, topic, nameless, "ID_INVALID")
        edge = ImageSubmitted(envelope=self._envelope(copy, "edge"))
        edge.envelope.options.CopyFrom(RecognitionOptions(shapes=[Shape(box=Box(left=math.nan))]))
        yield self._message("box with a NaN", copy, topic, edge, "BOX_INVALID")
        other = ExemplarSubmitted(collection=self._key(), exemplar_id="mine", forget=False)
        other.remember.exemplar_id, other.remember.label = "yours", "poppy"
        yield self._message("exemplar of two ids", copy, "exemplars.submitted", other, "EXEMPLAR_ID_MISMATCH")

    def _pictures(self, copy: int) -> Iterator[Poison]:
        def proposed(name: str, image: ImageReference, reason: str) -> Poison:
            message = self._proposed(copy, name.replace(" ", "-"), image)
            return self._message(name, copy, "regions.proposed", message, reason)

        for format_ in PICTURE_FORMATS:
            yield proposed(f"half a {format_}", self._stored(truncated(format_)), "IMAGE_DAMAGED")
        yield proposed("bomb", self._stored(bomb()), "IMAGE_TOO_MANY_PIXELS")
        yield proposed("object of 0 bytes", self._stored(b""), "IMAGE_EMPTY")
        yield proposed("missing object", self._reference(b"nobody stored this"), "NO_OBJECT")
        wrong = self._stored(encoded(drawing("fern"), "PNG"))
        wrong.digest = hashlib.sha256(b"another").hexdigest()
        yield proposed("wrong digest", wrong, "DIGEST_MISMATCH")

    def _vectors(self, copy: int) -> Iterator[Poison]:
        vectors = {
            "vector of NaN": np.full(1280, np.nan, "<f4").tobytes(),
            "vector of 7 bytes": b"1234567",
            "vector of length 9": np.full(81, 1.0, "<f4").tobytes(),
        }
        for name, vector in vectors.items():
            envelope = self._envelope(copy, name.replace(" ", "-"))
            message = RegionsEncoded(envelope=envelope, regions=[_whole()])
            message.embeddings.append(
                RegionEmbeddings(region_id="r0", embeddings=[Embedding(vector=vector, space="visual")])
            )
            yield self._message(name, copy, "regions.encoded", message, "EMBEDDING_INVALID")
        score = CandidatesRetrieved(envelope=self._envelope(copy, "margin"), regions=[_whole()])
        score.candidates.append(Candidates(region_id="r0", margin=math.nan))
        yield self._message("margin of NaN", copy, "candidates.retrieved", score, "OUT_OF_RANGE")
        lost = CandidatesRetrieved(envelope=self._envelope(copy, "lost"), regions=[_whole()])
        yield self._message("region lost", copy, "candidates.retrieved", lost, "REGIONS_MISMATCH")

    def _message(self, name: str, copy: int, topic: str, message: Message, reason: str) -> Poison:
        return self._raw(name, copy, topic, message.SerializeToString(), reason)

    def _raw(  # noqa: PLR0913, PLR0917  (a record has so many parts)
        self,
        name: str,
        copy: int,
        topic: str,
        value: bytes | None,
        reason: str,
        headers: dict[str, str] | None = None,
    ) -> Poison:
        key = f"default/{self._collection}/{name.replace(' ', '-')}-{copy}"
        odd = {"x-nobody-knows": "what this is", "": "no name", "event-id": key, **(headers or {})}
        return Poison(f"{name}, copy {copy}", NewRecord(topic, key, value, odd), reason)

    def _proposed(self, copy: int, name: str, image: ImageReference | None = None) -> RegionsProposed:
        return RegionsProposed(envelope=self._envelope(copy, name, image), regions=[_whole()])

    def _envelope(self, copy: int, name: str, image: ImageReference | None = None) -> Envelope:
        return Envelope(collection=self._key(), recognition_id=f"poison-{name}-{copy}", image=image)

    def _key(self) -> CollectionKey:
        return CollectionKey(tenant="default", collection=self._collection)

    def _stored(self, data: bytes) -> ImageReference:
        reference = self._reference(data)
        self._store.put(reference.key, data)
        return reference

    def _reference(self, data: bytes) -> ImageReference:
        digest = hashlib.sha256(data).hexdigest()
        return ImageReference(
            digest=digest,
            key=f"default/{self._collection}/poison/{digest}",
            media_type="image/png",
            size_bytes=len(data),
            width_px=_SIDE_PX,
            height_px=_SIDE_PX,
        )


def _whole() -> Region:
    box = Box(right=_SIDE_PX, bottom=_SIDE_PX)
    return Region(region_id="r0", box=box, origin=REGION_ORIGIN_WHOLE_IMAGE)
