"""Encoding's use cases over fakes, and a picture for them to see."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from PIL import Image

from fovea.encoding.v1 import encoding_pb2_grpc
from models.vision.local_encoder.reading import FeatureMaps
from services.encoding.domain import RegionReading, size_bytes
from services.encoding.entrypoints.servicer import EncodingCases, EncodingServicer
from services.encoding.ports import ImageEncoder
from services.encoding.usecases import (
    CropReading,
    DenseReading,
    EncodeExemplar,
    EncodeMaps,
    EncodeRegions,
    EncodeTexts,
    Eyes,
    MapKey,
    MapPace,
    Maps,
    Pace,
    Readers,
    RestoreExemplar,
    Stages,
)
from services.kernel.sharing import Once, Turns
from services.kernel.texts import KnownTexts, TextKey
from services.kernel.vocabulary import Embedding, ImageReference
from services.runtime.grpc_channel import Channel
from services.runtime.grpc_server import Servicer
from services.runtime.stream_workers import Workers
from tests.fakes.encoding import (
    Counted,
    GivenTime,
    HashingTextEncoder,
    InMemoryImages,
    InMemoryMaps,
    MeanColourEncoder,
    PaintedMapEncoder,
)
from tests.fakes.serving import served

WIDTH, HEIGHT = 40, 30


def _drawn() -> bytes:
    """A PNG, red on the left and blue on the right."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "red")
    image.paste(Image.new("RGB", (WIDTH // 2, HEIGHT), "blue"), (WIDTH // 2, 0))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def reference(data: bytes, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> ImageReference:
    digest = hashlib.sha256(data).hexdigest()
    return ImageReference(digest, f"t/c/images/{digest}", "image/png", len(data), *size)


PICTURE = _drawn()
IMAGE = reference(PICTURE)


class FakeEncoding:
    """The use cases of encoding; the clock takes half a second a look."""

    def __init__(
        self,
        images: Mapping[str, bytes] | None = None,
        limit: GivenTime | None = None,
        *others: ImageEncoder,
    ) -> None:
        self.limit = limit or GivenTime()
        self.images = InMemoryImages({IMAGE.key: PICTURE} if images is None else images)
        self.eyes = MeanColourEncoder()
        self.reader = HashingTextEncoder()
        self.tiles = PaintedMapEncoder()
        self.stored = InMemoryMaps()
        self.counted = {name: Counted() for name in ("regions", "texts", "maps")}
        ticks = itertools.count(start=10.0, step=0.5)
        stages = Stages("1.2", clock=lambda: next(ticks))
        turns = Turns(self.limit, at_once=2)
        pace = Pace(self.limit, turns, Once(self.limit, most=64, counts=self.counted["regions"]))
        self.all_eyes = Eyes(self.eyes, *others)
        self.readers = Readers(self.reader, HashingTextEncoder(identity="runes@1", own_space="old"))
        kept: Once[MapKey, FeatureMaps] = Once(
            self.limit, most=100_000, weigh=size_bytes, counts=self.counted["maps"]
        )
        self.maps = Maps(self.images, self.tiles, MapPace(self.limit, turns, kept, most_tiles=6))
        self.regions = EncodeRegions(
            {
                RegionReading.CROP: CropReading(self.images, self.all_eyes, pace),
                RegionReading.DENSE: DenseReading(self.maps, self.tiles, pace),
            },
            pace,
            stages,
        )
        self.encode_maps = EncodeMaps(self.maps, self.tiles, self.stored, stages)
        known: Once[TextKey, Embedding] = Once(self.limit, most=64, counts=self.counted["texts"])
        self.texts = EncodeTexts(self.readers, KnownTexts(known, self.limit), stages)
        self.exemplar = EncodeExemplar(self.regions, self.texts, self.all_eyes, self.readers)
        self.restore = RestoreExemplar(self.all_eyes, self.readers)

    @property
    def cases(self) -> EncodingCases:
        return EncodingCases(self.regions, self.texts, self.encode_maps, self.all_eyes, self.readers)


@contextmanager
def waiting_door(encoding: FakeEncoding) -> Iterator[Channel]:
    """Serve the use cases over gRPC, and give a channel to them."""
    workers = Workers(threads=16, item_timeout_s=10.0)
    servicer = EncodingServicer(encoding.cases, workers)
    add = encoding_pb2_grpc.add_EncodingServiceServicer_to_server
    try:
        with served(Servicer("fovea.encoding.v1.EncodingService", add, servicer)) as channel:
            yield channel
    finally:
        workers.close()
