"""Segmentation's use cases over fakes, and pictures for them to see."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from PIL import Image

from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.kernel.sharing import Once, Turns
from services.kernel.texts import KnownTexts, TextKey
from services.kernel.vocabulary import Box, Embedding, ImageReference
from services.runtime.grpc_channel import Channel
from services.runtime.grpc_server import Servicer
from services.runtime.stream_workers import Workers
from services.segmentation.domain.finding import Tiling
from services.segmentation.domain.seen import Seen, SeenKey
from services.segmentation.entrypoints.servicer import SegmentationServicer
from services.segmentation.usecases import (
    DrawMaps,
    ExemplarKey,
    Exemplars,
    FindRegions,
    Look,
    Pace,
    Passes,
    PromptVectors,
    ProposeRegions,
    Row,
    Rows,
    SecondLooks,
    StackKey,
    Stages,
)
from tests.fakes.encoding import Counted, GivenTime, InMemoryImages, InMemoryMaps
from tests.fakes.finding import ColourReader, ColourSeer, CountedFinding, PaintedDetector
from tests.fakes.serving import served

RED, BLUE = Box(8, 8, 40, 32), Box(48, 16, 88, 64)


def painted(size: tuple[int, int], boxes: Mapping[str, Box]) -> bytes:
    """Return a PNG of grey with boxes of colours."""
    image = Image.new("RGB", size, (120, 120, 120))
    for colour, box in boxes.items():
        left, top, right, bottom = (int(edge) for edge in box)
        image.paste(Image.new("RGB", (right - left, bottom - top), colour), (left, top))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def stored(data: bytes, size: tuple[int, int]) -> ImageReference:
    digest = hashlib.sha256(data).hexdigest()
    return ImageReference(digest, f"t/c/images/{digest}", "image/png", len(data), *size)


PICTURE = painted((96, 72), {"red": RED, "blue": BLUE})
IMAGE = stored(PICTURE, (96, 72))


class FakeSegmentation:
    """The use cases of segmentation; the clock takes half a second a look."""

    def __init__(  # noqa: PLR0913  (the parts of a service)
        self,
        images: Mapping[str, bytes] | None = None,
        limit: GivenTime | None = None,
        *,
        detector: PaintedDetector | None = None,
        tiles_from_px: int = 10_000,
        exemplars: bool = True,
        second: SecondLooks | None = None,
    ) -> None:
        self.limit = limit or GivenTime()
        self.images = InMemoryImages({IMAGE.key: PICTURE} if images is None else images)
        self.detector = detector or PaintedDetector()
        self.reader = ColourReader()
        self.seer = ColourSeer()
        self.stored = InMemoryMaps()
        self.counts = CountedFinding()
        self.counted = {name: Counted() for name in ("passes", "prompts", "lists", "exemplars")}
        ticks = itertools.count(start=10.0, step=0.5)
        self.stages = Stages("1.2", clock=lambda: next(ticks))
        seen: Once[SeenKey, Seen] = Once(
            self.limit,
            most=1_000_000,
            weigh=lambda each: each.size_bytes,
            counts=self.counted["passes"],
        )
        pace = Pace(self.limit, Turns(self.limit, at_once=2), seen)
        look = Look(self.images, self.detector, Tiling(tiles_from_px, 6), pace, second)
        texts: Once[TextKey, Embedding] = Once(self.limit, most=64, counts=self.counted["prompts"])
        lists: Once[StackKey, Rows] = Once(
            self.limit,
            most=1_000_000,
            weigh=lambda rows: int(rows.nbytes),
            counts=self.counted["lists"],
        )
        known: Once[ExemplarKey, Row] = Once(self.limit, most=8, counts=self.counted["exemplars"])
        seen_exemplars = Exemplars(self.images, self.seer, known) if exemplars else None
        vectors = PromptVectors(self.reader, KnownTexts(texts, self.limit), seen_exemplars, lists)
        self.passes = Passes(look, self.detector, vectors, self.limit)
        self.find = FindRegions(self.passes, self.limit, self.counts)
        self.propose = ProposeRegions(self.stages, check=self.limit.check, find=self.find)
        self.draw = DrawMaps(self.passes, self.stored, self.stages)


@contextmanager
def waiting_door(propose: ProposeRegions, draw: DrawMaps | None = None) -> Iterator[Channel]:
    """Serve use cases over gRPC, and give a channel to them; no maps are drawn unless something is given."""
    workers = Workers(threads=8, item_timeout_s=10.0)
    draw = draw or DrawMaps(None, InMemoryMaps(), Stages("1.2"))
    servicer = SegmentationServicer(propose, draw, workers)
    add = segmentation_pb2_grpc.add_SegmentationServiceServicer_to_server
    try:
        with served(Servicer("fovea.segmentation.v1.SegmentationService", add, servicer)) as channel:
            yield channel
    finally:
        workers.close()
