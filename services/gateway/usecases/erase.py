"""Erasing: forgetting for good, in every version of the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from services.gateway.domain.teaching import ExemplarQuery, Forgotten
from services.gateway.ports import Collections, Images, Retriever, Teacher
from services.gateway.usecases.intake import require_collection
from services.gateway.usecases.teach import Forget
from services.gateway.usecases.versions import Shelf
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import CollectionKey, Exemplar


class Erase:
    """Forgets exemplars so that nothing kept brings them back, and deletes their images.

    Args:
        forget: Makes them be found no more.
        collections: Which there are.
        retriever: Knows their images.
        teacher: Knows what is durable.
        images: Has them.
        shelf: Has to know what is erased before it is forgotten, so that nothing brings it back in between.
    """

    def __init__(  # noqa: PLR0913  (all but one by name)
        self,
        forget: Forget,
        *,
        collections: Collections,
        retriever: Retriever,
        teacher: Teacher,
        images: Images,
        shelf: Shelf,
    ) -> None:
        self._forget = forget
        self._collections = collections
        self._retriever = retriever
        self._teacher = teacher
        self._images = images
        self._shelf = shelf

    def __call__(
        self, collection: CollectionKey, *, exemplar_ids: Sequence[str] = (), label: str = ""
    ) -> Forgotten:
        """Return how many were there, once nothing can find them. Safe to repeat half-way.

        Ids are erased also where only a kept version has them; of a label those that are there now.
        Raises as `Forget`, and Unsupported where nothing can be kept under names.
        """
        require_collection(self._collections, collection)
        if bool(exemplar_ids) == bool(label) or len(exemplar_ids) > LIMITS.forgotten_per_request:
            return self._forget(collection, exemplar_ids=exemplar_ids, label=label)  # which refuses it
        if exemplar_ids:
            return self._erase(tuple(dict.fromkeys(exemplar_ids)), collection)
        count = 0
        for ids in self._pages(collection, label):
            count += self._erase(ids, collection).count
        return Forgotten(count, self._teacher.memory_version())

    def _erase(self, ids: Sequence[str], collection: CollectionKey) -> Forgotten:
        there = self._listed(ExemplarQuery(collection, exemplar_ids=tuple(ids)))
        self._shelf.mark_erased(collection, ids, memory_version="")
        forgotten = self._forget(collection, exemplar_ids=ids)
        for exemplar in there:
            if exemplar.image is not None and exemplar.image.key:
                self._images.delete(exemplar.image.key)
        self._shelf.mark_erased(collection, ids, memory_version=forgotten.memory_version)
        return forgotten

    def _pages(self, collection: CollectionKey, label: str) -> Iterator[Sequence[str]]:
        while page := self._listed(ExemplarQuery(collection, label=label)):
            yield [exemplar.exemplar_id for exemplar in page]

    def _listed(self, query: ExemplarQuery) -> Sequence[Exemplar]:
        """Return the first page of them, from a memory that holds all that is durable."""
        newest = replace(query, page_size=LIMITS.page_size, min_memory_version=self._teacher.memory_version())
        return self._retriever.list_exemplars(newest).exemplars
