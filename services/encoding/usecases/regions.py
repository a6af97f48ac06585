"""Regions of images to embeddings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.encoding import domain
from services.encoding.domain import RegionReading
from services.encoding.usecases.readings import Embeddings, Pace, WayOfReading
from services.encoding.usecases.stages import Stages
from services.kernel.errors import Unsupported
from services.kernel.vocabulary import ImageReference, Region, RegionEmbeddings, Stage

SPACE_MISSING = "space_missing"
"""Rung: a space that votes is served by no encoder here, so nothing can be found in it."""


@dataclass(frozen=True)
class EncodedRegions:
    """The embeddings of each region, in order, and the record of how they came about."""

    regions: tuple[RegionEmbeddings, ...]
    stage: Stage


class EncodeRegions:
    """Gives each region of an image an embedding in every space that is wanted.

    Each region is encoded once by the same models and in the same way, however many callers ask.

    Args:
        readings: The ways to read regions, that which is taken where nobody names one first.
        pace: How fast calls may go.
        stages: Makes the record.
    """

    def __init__(self, readings: Mapping[RegionReading, WayOfReading], pace: Pace, stages: Stages) -> None:
        self._readings = readings
        self._pace = pace
        self._stages = stages

    def __call__(
        self,
        image: ImageReference,
        regions: Sequence[Region],
        *,
        spaces: Collection[str] = (),
        reading: RegionReading | None = None,
    ) -> EncodedRegions:
        """Return the embeddings of the regions, in order.

        Args:
            image: Where the regions are.
            regions: Where to look; none where prompts found nothing.
            spaces: Those that are wanted; empty, or none of them served: all of the first encoder.
            reading: How they are read.

        Raises:
            InvalidInput: The bytes are no picture, or a region does not fit it.
            Unsupported: Regions cannot be read so here.
            NotFound, Corrupt, DeadlineExceeded, Unavailable: The image or a model is not to be had.
        """
        started = self._stages.clock()
        name, way = self._way(reading)
        models = way.models(spaces)
        keys = [domain.region_key(image, region, models, name) for region in regions]
        by_key = dict(zip(keys, regions, strict=True))
        found = self._pace.once(
            keys, lambda missing: way.read(image, [by_key[key] for key in missing], spaces)
        )
        missing = not way.served().issuperset(spaces)
        return EncodedRegions(
            tuple(
                RegionEmbeddings(region.region_id, _wanted(embeddings, spaces))
                for region, embeddings in zip(regions, found, strict=True)
            ),
            self._stages.ended(started, models, rungs=(SPACE_MISSING,) if missing else (), reading=name),
        )

    def _way(self, reading: RegionReading | None) -> tuple[RegionReading, WayOfReading]:
        name = reading or next(iter(self._readings))
        if name not in self._readings:
            raise Unsupported(
                f"regions are not read {name.value} here: set FOVEA_LOCAL_MODEL and FOVEA_REGIONS_MODEL, or "
                f"ask for {', '.join(each.value for each in self._readings)}",
                field="reading",
                reason="READING_NOT_SERVED",
            )
        return name, self._readings[name]


def _wanted(embeddings: Embeddings, spaces: Collection[str]) -> Embeddings:
    """Return those of the spaces; if none is, all."""
    return tuple(each for each in embeddings if each.space in spaces) or embeddings
