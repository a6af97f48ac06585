"""Encoding's use cases over fakes, and a picture for them to see."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Mapping

from PIL import Image

from services.encoding.ports import ImageEncoder
from services.encoding.usecases import (
    EncodeExemplar,
    EncodeRegions,
    EncodeTexts,
    Eyes,
    Once,
    Pace,
    RestoreExemplar,
    Stages,
    Turns,
)
from services.kernel.vocabulary import ImageReference
from tests.fakes.encoding import GivenTime, HashingTextEncoder, InMemoryImages, MeanColourEncoder

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
        ticks = itertools.count(start=10.0, step=0.5)
        stages = Stages("1.2", clock=lambda: next(ticks))
        pace = Pace(self.limit, Turns(self.limit, at_once=2), Once(self.limit, entries=64))
        self.all_eyes = Eyes(self.eyes, *others)
        self.regions = EncodeRegions(self.images, self.all_eyes, pace, stages)
        self.texts = EncodeTexts(self.reader, Once(self.limit, entries=64), self.limit, stages)
        self.exemplar = EncodeExemplar(self.regions, self.texts, self.all_eyes)
        self.restore = RestoreExemplar(self.all_eyes, self.reader)
