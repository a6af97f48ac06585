"""Regions, texts and exemplars to embeddings."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from models.vision.images import ImageError, decode
from services.encoding import domain
from services.encoding.domain import RegionKey
from services.encoding.ports import ImageEncoder, ImageSource, TextEncoder, TimeLimit
from services.encoding.usecases.eyes import Eyes
from services.encoding.usecases.sharing import Once, Turns
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_text
from services.kernel.vocabulary import (
    Embedding,
    ImageReference,
    Region,
    RegionEmbeddings,
    Stage,
)

MOST_CROPS = 4
"""Crops of one forward pass: on one core, 16 at once were measured to take 18 % longer a crop."""
MOST_TEXTS = 16
"""Texts of one forward pass."""
SPACE_MISSING = "space_missing"
"""Rung: a space that votes is served by no encoder here, so nothing can be found in it."""

Embeddings = tuple[Embedding, ...]


@dataclass(frozen=True)
class EncodedRegions:
    """The embeddings of each region, in order, and the record of how they came about."""

    regions: tuple[RegionEmbeddings, ...]
    stage: Stage


@dataclass(frozen=True)
class EncodedTexts:
    """The embedding of each text, in order, and the record of how they came about."""

    embeddings: Embeddings
    stage: Stage


@dataclass(frozen=True)
class Stages:
    """Makes the record of one step.

    Attributes:
        version: Of this service.
        clock: Gives seconds; only differences count.
    """

    version: str
    clock: Callable[[], float] = time.perf_counter

    def ended(self, started: float, models: tuple[str, ...], *, rungs: tuple[str, ...] = ()) -> Stage:
        """Return what took part since `started`."""
        return Stage("encoding", self.version, models, duration_s=self.clock() - started, rungs=rungs)


@dataclass(frozen=True)
class Pace:
    """How fast calls may go: when to give up, and who works at a time."""

    limit: TimeLimit
    turns: Turns
    once: Once[RegionKey, Embeddings]


class EncodeRegions:
    """Reads an image once, and gives each region an embedding in every space that is wanted.

    Each region is encoded once by the same models, however many callers ask.
    """

    def __init__(self, images: ImageSource, eyes: Eyes, pace: Pace, stages: Stages) -> None:
        self._images = images
        self._eyes = eyes
        self._pace = pace
        self._stages = stages

    def __call__(
        self, image: ImageReference, regions: Sequence[Region], *, spaces: Collection[str] = ()
    ) -> EncodedRegions:
        """Return the embeddings of the regions, in order.

        Args:
            image: Where the regions are.
            regions: One or more.
            spaces: Those that are wanted; empty, or none of them served: all of the first encoder.

        Raises:
            InvalidInput: There is no region, the bytes are no picture, or a region does not fit it.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: The image or a model is not to be had.
        """
        started = self._stages.clock()
        if not regions:
            raise InvalidInput("regions is empty", field="regions", reason="REGIONS_MISSING")
        encoders = self._eyes.chosen(spaces)
        models = tuple(model for encoder in encoders for model in encoder.models())
        keys = [domain.region_key(image, region, models) for region in regions]
        by_key = dict(zip(keys, regions, strict=True))
        found = self._pace.once(
            keys, lambda missing: self._encode(encoders, image, [by_key[key] for key in missing])
        )
        missing = not self._eyes.served().issuperset(spaces)
        return EncodedRegions(
            tuple(
                RegionEmbeddings(region.region_id, _wanted(embeddings, spaces))
                for region, embeddings in zip(regions, found, strict=True)
            ),
            self._stages.ended(started, models, rungs=(SPACE_MISSING,) if missing else ()),
        )

    def _encode(
        self, encoders: Sequence[ImageEncoder], image: ImageReference, regions: Sequence[Region]
    ) -> list[Embeddings]:
        data = self._images.read(image)
        with self._pace.turns.turn():
            found: dict[int, Embeddings] = {}
            for least_px, places in domain.by_resolution(image, regions):
                pixels = _decoded(data, image, least_px)
                for some in _parts(places):
                    crops = domain.crops(pixels, [regions[i] for i in some])
                    found.update(zip(some, self._encode_some(encoders, crops), strict=True))
            return [found[place] for place in range(len(regions))]

    def _encode_some(
        self, encoders: Sequence[ImageEncoder], crops: UInt8[np.ndarray, "n size size 3"]
    ) -> Iterator[Embeddings]:
        spaces: list[domain.Vectors] = []
        for encoder in encoders:
            self._pace.limit.check()
            spaces += encoder.encode(crops)
        for index in range(len(crops)):
            yield tuple(vectors.row(index) for vectors in spaces)


def _wanted(embeddings: Embeddings, spaces: Collection[str]) -> Embeddings:
    """Return those of the spaces; if none is, all."""
    return tuple(each for each in embeddings if each.space in spaces) or embeddings


def _parts(places: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(places), MOST_CROPS):
        yield places[start : start + MOST_CROPS]


def _decoded(data: bytes, image: ImageReference, least_px: int | None) -> UInt8[np.ndarray, "h w 3"]:
    try:
        pixels = decode(data, limits=domain.IMAGE_LIMITS, least_px=least_px)
    except ImageError as error:
        raise InvalidInput(str(error), field="image", reason=error.reason) from error
    height_px, width_px = pixels.shape[:2]
    if not domain.may_come_from(image, width_px=width_px, height_px=height_px, reduced=least_px is not None):
        raise InvalidInput(
            f"the image has {width_px} x {height_px} pixels, "
            f"but is said to have {image.width_px} x {image.height_px}",
            field="image",
            reason="IMAGE_SIZE_MISMATCH",
        )
    return pixels


class EncodeTexts:
    """Gives each text an embedding in the space of names, those used last without asking the model.

    Args:
        encoder: Reads texts.
        once: Shares and keeps the embeddings, by models and text.
        limit: When to give up.
        stages: Makes the record.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        once: Once[tuple[tuple[str, ...], str], Embedding],
        limit: TimeLimit,
        stages: Stages,
    ) -> None:
        self._encoder = encoder
        self._once = once
        self._limit = limit
        self._stages = stages

    def __call__(self, texts: Sequence[str]) -> EncodedTexts:
        """Return the embeddings of the texts, in order.

        Raises:
            InvalidInput: A text is empty, too long or not printable; the field says which.
            DeadlineExceeded, Unavailable: The model is not to be had.
        """
        started = self._stages.clock()
        models = self._encoder.models()
        checked = [
            checked_text(text, field=f"texts[{index}]", most=LIMITS.text_characters)
            for index, text in enumerate(texts)
        ]
        found = self._once([(models, text) for text in checked], self._encode)
        return EncodedTexts(tuple(found), self._stages.ended(started, models))

    def _encode(self, missing: Sequence[tuple[tuple[str, ...], str]]) -> list[Embedding]:
        found: list[Embedding] = []
        for start in range(0, len(missing), MOST_TEXTS):
            self._limit.check()
            texts = [text for _, text in missing[start : start + MOST_TEXTS]]
            vectors = self._encoder.encode(texts)
            found += map(vectors.row, range(len(texts)))
        return found
