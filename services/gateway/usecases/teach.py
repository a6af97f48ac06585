"""Teaching, forgetting and correcting: every change of the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from services.gateway.domain import keys
from services.gateway.domain.collections import spaces_of
from services.gateway.domain.recognition import Recognition, RecognitionState, RecognizedRegion
from services.gateway.domain.teaching import (
    Change,
    ExemplarQuery,
    Feedback,
    Forgotten,
    Lesson,
    embedded_id,
    exemplar_id,
)
from services.gateway.ports import (
    Announcer,
    Collections,
    Images,
    Pending,
    Recognitions,
    Retriever,
    Segmenter,
    Teacher,
)
from services.gateway.usecases.intake import inspect_image, require_collection, store_image
from services.kernel.errors import Conflict, InvalidInput, NotFound
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    CollectionKey,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    ImageReference,
    Region,
    Shape,
    SpaceVote,
)


class Prepare:
    """Makes an exemplar of a lesson; its picture is stored, the memory does not change yet.

    Args:
        new_id: Gives an id that nobody has.
        shipped: How spaces vote where a collection says nothing; pictures are encoded into those that do.
    """

    def __init__(
        self,
        collections: Collections,
        images: Images,
        segmenter: Segmenter,
        *,
        new_id: Callable[[], str],
        shipped: Sequence[SpaceVote] = (),
    ) -> None:
        self._collections = collections
        self._images = images
        self._segmenter = segmenter
        self._new_id = new_id
        self._shipped = shipped

    def __call__(self, lesson: Lesson) -> Change:
        """Return what is to be taught. Raises InvalidInput, NotFound, Unavailable."""
        collection = require_collection(self._collections, lesson.collection)
        if lesson.kind is not ExemplarKind.IMAGE:
            if lesson.shape is not None:
                raise InvalidInput(
                    "shape points into an image, but none was sent", field="shape", reason="SHAPE_UNUSED"
                )
            return _change(lesson, content=lesson.text)
        image = inspect_image(lesson.image, collection, owner=self._new_id())
        region = self._region(image, lesson.shape)
        store_image(self._images, image, lesson.image, collection.retention)
        change = _change(lesson, content=image.digest, image=image, region=region)
        return replace(change, spaces=spaces_of(collection, self._shipped))

    def _region(self, image: ImageReference, shape: Shape | None) -> Region | None:
        if shape is None:
            return None
        try:
            return self._segmenter.propose(image, shapes=(shape,)).regions[0]
        except InvalidInput as error:  # there it is the first of many shapes, here the only one
            field = error.field.removeprefix("options.").replace("shapes[0]", "shape")
            raise InvalidInput(error.message, field=field, reason=error.reason) from error


def _change(
    lesson: Lesson,
    *,
    content: str,
    image: ImageReference | None = None,
    region: Region | None = None,
) -> Change:
    derived = exemplar_id(lesson.kind, label=lesson.label, content=content, place=lesson.shape)
    exemplar = Exemplar(
        exemplar_id=lesson.exemplar_id or derived,
        label=lesson.label,
        kind=lesson.kind,
        attributes=lesson.attributes,
        image=image,
        region=region,
        text=lesson.text,
    )
    return Change(lesson.collection, exemplar.exemplar_id, exemplar)


class PrepareImport:
    """Makes a change of an exemplar that comes with its embeddings; the memory does not change yet.

    A reference to an image is only as good as the object it leads to, and the file that it comes from may be
    anybody's. So the key is not believed: it is made from the collection and the digest, and left out where
    no such image is kept. The digest stays, and says which picture it was.
    """

    def __init__(self, collections: Collections, images: Images) -> None:
        self._collections = collections
        self._images = images

    def __call__(self, collection: CollectionKey, encoded: EncodedExemplar) -> Change:
        """Return what is to be restored. Raises InvalidInput, NotFound, Unavailable."""
        require_collection(self._collections, collection)
        if not encoded.embeddings:
            raise InvalidInput(
                "embeddings is empty: an import brings the embeddings along; use Remember to have them made",
                field="exemplar.embeddings",
                reason="EMBEDDINGS_MISSING",
            )
        exemplar = replace(
            encoded.exemplar,
            exemplar_id=encoded.exemplar.exemplar_id or embedded_id(encoded),
            image=self._own_image(collection, encoded.exemplar.image),
        )
        return Change(collection, exemplar.exemplar_id, exemplar, encoded.embeddings)

    def _own_image(self, collection: CollectionKey, image: ImageReference | None) -> ImageReference | None:
        if image is None:
            return None
        key = keys.image(collection, image.digest)
        return replace(image, key=key if self._images.has(key) else "")


class Teach:
    """Hands prepared exemplars over to be encoded."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher

    def __call__(self, changes: Sequence[Change]) -> Sequence[Pending]:
        """Return, in order, what to wait for. Raises Unavailable, Unsupported."""
        return self._teacher.submit(changes)


class Forget:
    """Forgets exemplars by id, or all of a label."""

    def __init__(self, collections: Collections, retriever: Retriever, teacher: Teacher) -> None:
        self._collections = collections
        self._retriever = retriever
        self._teacher = teacher

    def __call__(
        self, collection: CollectionKey, *, exemplar_ids: Sequence[str] = (), label: str = ""
    ) -> Forgotten:
        """Return how many were forgotten, once nothing can find them. Raises InvalidInput, NotFound."""
        _require_one_of(exemplar_ids, label)
        require_collection(self._collections, collection)
        if exemplar_ids:
            return self._forget_ids(tuple(dict.fromkeys(exemplar_ids)), collection)
        return self._forget(self._pages(collection, label), collection)

    def everything(self, collection: CollectionKey) -> Forgotten:
        """Forget every exemplar of the collection."""
        return self._forget(self._pages(collection, ""), collection)

    def _forget_ids(self, ids: Sequence[str], collection: CollectionKey) -> Forgotten:
        """Forget them all, also those on their way that nobody sees yet, and count those that were there."""
        there = self._retriever.list_exemplars(
            ExemplarQuery(
                collection,
                page_size=LIMITS.page_size,
                min_memory_version=self._teacher.memory_version(),
                exemplar_ids=tuple(ids),
            )
        )
        return replace(self._forget([ids], collection), count=len(there.exemplars))

    def _forget(self, pages: Iterable[Sequence[str]], collection: CollectionKey) -> Forgotten:
        count = 0
        for ids in pages:
            for pending in self._teacher.submit([Change(collection, each) for each in ids]):
                pending.result()
            count += len(ids)
        return Forgotten(count, self._teacher.memory_version())

    def _pages(self, collection: CollectionKey, label: str) -> Iterator[Sequence[str]]:
        """Yield ids until nothing is left; a page is read when the one before it is forgotten."""
        query = ExemplarQuery(collection, label=label, page_size=LIMITS.page_size)
        while True:
            newest = replace(query, min_memory_version=self._teacher.memory_version())
            page = self._retriever.list_exemplars(newest)
            if not page.exemplars:
                return
            yield [exemplar.exemplar_id for exemplar in page.exemplars]


def _require_one_of(exemplar_ids: Sequence[str], label: str) -> None:
    if bool(exemplar_ids) == bool(label):
        raise InvalidInput(
            "name either exemplar_ids or a label, not both and not neither",
            field="exemplar_ids",
            reason="NOTHING_NAMED" if not label else "IDS_AND_LABEL",
        )
    if len(exemplar_ids) > LIMITS.forgotten_per_request:
        raise InvalidInput(
            f"exemplar_ids has {len(exemplar_ids)} entries, "
            f"at most {LIMITS.forgotten_per_request} are allowed",
            field="exemplar_ids",
            reason="TOO_MANY_EXEMPLARS",
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
    return Exemplar(derived, label, kind, image=image, region=region)
