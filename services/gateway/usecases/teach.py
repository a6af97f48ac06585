"""Teaching and forgetting: every change of the memory that a caller asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from services.gateway.domain import keys
from services.gateway.domain.collections import spaces_of
from services.gateway.domain.teaching import (
    Change,
    ExemplarQuery,
    Forgotten,
    Lesson,
    embedded_id,
    exemplar_id,
)
from services.gateway.ports import (
    Collections,
    Images,
    Pending,
    Retriever,
    Segmenter,
    Teacher,
)
from services.gateway.usecases.intake import inspect_image, require_collection, store_image
from services.kernel.errors import InvalidInput
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
        shipped: How spaces vote where a collection says nothing; lessons are encoded into those that do.
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
        spaces = spaces_of(collection, self._shipped)
        if lesson.kind is not ExemplarKind.IMAGE:
            if lesson.shape is not None:
                raise InvalidInput(
                    "shape points into an image, but none was sent", field="shape", reason="SHAPE_UNUSED"
                )
            return replace(_change(lesson, content=lesson.text), spaces=spaces)
        image = inspect_image(lesson.image, collection, owner=self._new_id())
        region = self._region(image, lesson.shape)
        store_image(self._images, image, lesson.image, collection.retention)
        return replace(_change(lesson, content=image.digest, image=image, region=region), spaces=spaces)

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
