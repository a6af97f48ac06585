"""Giving a recognised region its right label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.gateway.domain.collections import spaces_of
from services.gateway.domain.recognition import Recognition, RecognitionState, RecognizedRegion
from services.gateway.domain.teaching import (
    Change,
    Feedback,
    exemplar_id,
)
from services.gateway.ports import (
    Announcer,
    Collections,
    Images,
    Recognitions,
    Teacher,
)
from services.gateway.usecases.intake import require_collection
from services.kernel.errors import Conflict, InvalidInput, NotFound
from services.kernel.vocabulary import (
    Exemplar,
    ExemplarKind,
    ImageReference,
    Region,
    SpaceVote,
)


class Correct:
    """Gives a recognised region its right label: an exemplar from now on, and feedback for training."""

    def __init__(  # noqa: PLR0913  (all but one by name)
        self,
        collections: Collections,
        *,
        images: Images,
        recognitions: Recognitions,
        teacher: Teacher,
        announcer: Announcer,
        shipped: Sequence[SpaceVote] = (),
    ) -> None:
        self._collections = collections
        self._images = images
        self._recognitions = recognitions
        self._teacher = teacher
        self._announcer = announcer
        self._shipped = shipped

    def __call__(self, tenant: str, recognition_id: str, *, region_id: str, label: str) -> tuple[str, str]:
        """Return the exemplar's id and a memory version that holds it. Safe to repeat.

        Raises:
            NotFound: The recognition has not ended, or its collection is gone.
            InvalidInput: It has no such region.
            Conflict: It failed, or its image was not kept.
        """
        record = self._record(tenant, recognition_id)
        corrected = _region(record, region_id)
        collection = record.envelope.collection
        spaces = spaces_of(require_collection(self._collections, collection), self._shipped)
        self._require_image(record.envelope.image)
        exemplar = _corrected(record.envelope.image, corrected.region, label)
        (pending,) = self._teacher.submit([Change(collection, exemplar.exemplar_id, exemplar, spaces=spaces)])
        version = pending.result()
        answered = corrected.ranking.labels[0].label if corrected.ranking.labels else ""
        self._announcer.corrected(
            Feedback(collection, recognition_id, region_id, answered, label, exemplar.exemplar_id)
        )
        return exemplar.exemplar_id, version

    def _record(self, tenant: str, recognition_id: str) -> Recognition:
        record = self._recognitions.find(tenant, recognition_id)
        if record is None:
            raise NotFound(
                f"no recognition {recognition_id} of tenant {tenant} has ended",
                field="recognition_id",
                reason="RECOGNITION_UNKNOWN",
            )
        if record.state is RecognitionState.FAILED:
            raise Conflict(
                f"the recognition {recognition_id} failed, so there is no answer to correct",
                field="recognition_id",
                reason="RECOGNITION_FAILED",
            )
        return record

    def _require_image(self, image: ImageReference) -> None:
        if not image.key or not self._images.has(image.key):
            raise Conflict(
                "the image was not kept (see the collection's retention); teach the picture with Remember",
                field="recognition_id",
                reason="IMAGE_GONE",
            )


def _region(record: Recognition, region_id: str) -> RecognizedRegion:
    for found in record.regions:
        if found.region.region_id == region_id:
            return found
    known = ", ".join(found.region.region_id for found in record.regions[:10])
    raise InvalidInput(
        f"the recognition has no region {region_id!r}; it has {known}",
        field="region_id",
        reason="REGION_UNKNOWN",
    )


def _corrected(image: ImageReference, region: Region, label: str) -> Exemplar:
    kind = ExemplarKind.IMAGE
    derived = exemplar_id(kind, label=label, content=image.digest, place=replace(region, region_id=""))
    return Exemplar(derived, label, kind, image=image, region=replace(region, found_by=None))
