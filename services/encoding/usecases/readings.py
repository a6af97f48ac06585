"""How regions are read: each from a crop of its own, or all from one map."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeVar, runtime_checkable

from services.encoding import domain
from services.encoding.domain import RegionKey
from services.encoding.ports import ImageEncoder, ImageSource, MapEncoder
from services.encoding.usecases.eyes import Eyes
from services.encoding.usecases.maps import Maps
from services.kernel.crops import crops as crops_of
from services.kernel.pictures import decoded
from services.kernel.sharing import Once, TimeLimit, Turns
from services.kernel.vectors import Vectors
from services.kernel.vocabulary import Embedding, ImageReference, Region

MOST_CROPS = 4
"""Crops of one forward pass: on one core, 16 at once were measured to take 18 % longer a crop."""

Embeddings = tuple[Embedding, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How fast calls may go: when to give up, who works at a time, and what is not done twice."""

    limit: TimeLimit
    turns: Turns
    once: Once[RegionKey, Embeddings]


@runtime_checkable
class WayOfReading(Protocol):
    """One way to read regions."""

    def served(self) -> frozenset[str]:
        """Return the spaces that it can read into."""
        ...

    def models(self, spaces: Collection[str]) -> tuple[str, ...]:
        """Return `name@digest` of each model that takes part for these spaces."""
        ...

    def read(
        self, image: ImageReference, regions: Sequence[Region], spaces: Collection[str]
    ) -> list[Embeddings]:
        """Return what each region looks like, in every space of the models that take part."""
        ...


class CropReading:
    """Cuts each region out, so that it is seen for itself: a pass for each."""

    def __init__(self, images: ImageSource, eyes: Eyes, pace: Pace) -> None:
        self._images = images
        self._eyes = eyes
        self._pace = pace

    def served(self) -> frozenset[str]:
        """Return the spaces of all encoders."""
        return self._eyes.served()

    def models(self, spaces: Collection[str]) -> tuple[str, ...]:
        """Return the models of those who serve one of the spaces; if nobody does, of the first."""
        return tuple(model for encoder in self._eyes.chosen(spaces) for model in encoder.models())

    def read(
        self, image: ImageReference, regions: Sequence[Region], spaces: Collection[str]
    ) -> list[Embeddings]:
        """Encode a crop of each region, prepared for each encoder as it needs it."""
        encoders = self._eyes.chosen(spaces)
        data = self._images.read(image)
        found: list[Embeddings] = [()] * len(regions)
        with self._pace.turns.turn():
            for _, alike in groupby(encoders, key=lambda encoder: encoder.preparation()):
                for place, embeddings in self._seen(data, image, regions, tuple(alike)):
                    found[place] += embeddings
        return found

    def _seen(
        self,
        data: bytes,
        image: ImageReference,
        regions: Sequence[Region],
        encoders: Sequence[ImageEncoder],
    ) -> Iterator[tuple[int, Embeddings]]:
        """Yield the place of each region, and what encoders say that want their crops alike."""
        settings = encoders[0].preparation()
        for least_px, places in domain.by_resolution(image, regions, settings):
            pixels = decoded(data, image, least_px=least_px)
            for some in in_parts(places, MOST_CROPS):
                crops = crops_of(pixels, [regions[place] for place in some], settings)
                spaces: list[Vectors] = []
                for encoder in encoders:
                    self._pace.limit.check()
                    spaces += encoder.encode(crops)
                for index, place in enumerate(some):
                    yield place, tuple(vectors.row(index) for vectors in spaces)


class DenseReading:
    """Reads all regions from one map of their image: a pass for each tile, however many regions there are."""

    def __init__(self, maps: Maps, encoder: MapEncoder, pace: Pace) -> None:
        self._maps = maps
        self._encoder = encoder
        self._pace = pace

    def served(self) -> frozenset[str]:
        """Return the spaces that regions can be read into."""
        return frozenset(self._encoder.spaces())

    def models(self, spaces: Collection[str]) -> tuple[str, ...]:  # noqa: ARG002  (they read into all at once)
        """Return the models of maps and of reading."""
        return self._encoder.models()

    def read(
        self,
        image: ImageReference,
        regions: Sequence[Region],
        spaces: Collection[str],  # noqa: ARG002  (it reads into all of its own at once)
    ) -> list[Embeddings]:
        """Read the regions from the image's map, which is made only if nobody made it lately."""
        points = domain.points(image, regions)  # before any pass: a region that is wrong costs none
        seen = self._maps(image)
        with self._pace.turns.turn():
            self._pace.limit.check()
            found = self._encoder.read(seen, points)
        return [tuple(vectors.row(place) for vectors in found) for place in range(len(regions))]


def in_parts(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Yield the values in order, at most so many at a time."""
    for start in range(0, len(values), most):
        yield values[start : start + most]
