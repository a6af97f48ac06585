"""Making, changing, deleting and sweeping collections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from services.gateway.domain import keys
from services.gateway.domain.collections import (
    DAY_S,
    DEFAULT_COLLECTION,
    Collection,
    RetentionPolicy,
    answering_space,
    checked_collection_settings,
)
from services.gateway.domain.teaching import ExemplarPage, ExemplarQuery, LabelCounts
from services.gateway.ports import Collections, Images, Retriever
from services.gateway.usecases.intake import require_collection
from services.gateway.usecases.teach import Forget
from services.gateway.usecases.versions import Shelf
from services.kernel.errors import Conflict
from services.kernel.vocabulary import CollectionKey, EncodedExemplar, SpaceVote


class CreateCollection:
    """Makes a collection."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def __call__(self, collection: Collection) -> Collection:
        """Return it, once it can be used. Raises Conflict if it exists, InvalidInput."""
        collection = checked_collection_settings(replace(collection, migrations=(), calibration=None))
        if not self._collections.create(collection):
            raise Conflict(
                f"the collection {collection.key} exists already",
                field="collection.key",
                reason="COLLECTION_EXISTS",
            )
        return collection


class GetCollection:
    """Finds a collection."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def __call__(self, key: CollectionKey) -> Collection:
        """Return it. Raises NotFound."""
        return require_collection(self._collections, key)


class ListCollections:
    """Lists a tenant's collections, without their hierarchies: all together may be long."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def __call__(self, tenant: str) -> Sequence[Collection]:
        """Return them in order of name."""
        return [replace(each, hierarchy=()) for each in self._collections.list(tenant)]


class UpdateCollection:
    """Replaces a collection's settings."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def __call__(self, collection: Collection) -> Collection:
        """Return it, once the settings are in force here. Raises NotFound, InvalidInput.

        Its migrations and its calibration are no settings: they stay as they are.
        """
        checked_collection_settings(collection)
        kept = require_collection(self._collections, collection.key)
        changed = replace(collection, migrations=kept.migrations, calibration=kept.calibration)
        self._collections.change(changed)
        return changed


class DeleteCollection:
    """Forgets every exemplar, also in versions, deletes the images, then the collection. Safe to repeat."""

    def __init__(self, collections: Collections, images: Images, forget: Forget, shelf: Shelf) -> None:
        self._collections = collections
        self._images = images
        self._forget = forget
        self._shelf = shelf

    def __call__(self, key: CollectionKey) -> int:
        """Return how many exemplars were forgotten. Raises NotFound, Conflict for `default/default`."""
        if key == DEFAULT_COLLECTION:
            raise Conflict(
                f"{key} always exists; forget its exemplars instead",
                field="key",
                reason="COLLECTION_PERMANENT",
            )
        require_collection(self._collections, key)
        forgotten = self._forget.everything(key)
        self._shelf.clear(key)
        for prefix in (keys.images(key), keys.passing_images(key)):
            for image in list(self._images.list(prefix)):
                self._images.delete(image.key)
        self._collections.remove(key)
        return forgotten.count


class SweepImages:
    """Deletes the images whose time is over.

    Args:
        clock: Gives seconds since the epoch.
        passing_s: How old a passing image gets if its work never ended, for a crash must not keep it.
    """

    def __init__(
        self,
        collections: Collections,
        images: Images,
        *,
        clock: Callable[[], float],
        passing_s: float,
    ) -> None:
        self._collections = collections
        self._images = images
        self._clock = clock
        self._passing_s = passing_s

    def __call__(self) -> int:
        """Return how many were deleted. Raises Unavailable; the next sweep takes what is left."""
        return sum(self._sweep(collection) for collection in self._collections.list())

    def _sweep(self, collection: Collection) -> int:
        retention = collection.retention
        count = self._delete(keys.passing_images(collection.key), self._passing_s)
        if retention.policy is RetentionPolicy.DAYS:
            count += self._delete(keys.images(collection.key), retention.days * DAY_S)
        if retention.policy is RetentionPolicy.NONE:  # kept before the policy became this one
            count += self._delete(keys.images(collection.key), self._passing_s)
        return count

    def _delete(self, prefix: str, age_s: float) -> int:
        newest = self._clock() - age_s
        count = 0
        for image in self._images.list(prefix):
            # Decided here and not in a first pass: an image that comes again is renewed.
            if image.stored_at_s < newest:
                self._images.delete(image.key)
                count += 1
        return count


class ListExemplars:
    """Pages through a collection's exemplars."""

    def __init__(self, collections: Collections, retriever: Retriever) -> None:
        self._collections = collections
        self._retriever = retriever

    def __call__(self, query: ExemplarQuery) -> ExemplarPage:
        """Return one page. Raises NotFound, InvalidInput, Unavailable."""
        require_collection(self._collections, query.collection)
        return self._retriever.list_exemplars(query)


class ExportExemplars:
    """Gives every exemplar of a collection with its embeddings."""

    def __init__(self, collections: Collections, retriever: Retriever) -> None:
        self._collections = collections
        self._retriever = retriever

    def __call__(self, collection: CollectionKey, *, min_memory_version: str) -> Iterator[EncodedExemplar]:
        """Yield them. Raises NotFound, InvalidInput, Unavailable."""
        require_collection(self._collections, collection)
        return self._retriever.export_exemplars(collection, min_memory_version=min_memory_version)


class ListLabels:
    """Counts a collection's exemplars by label."""

    def __init__(self, collections: Collections, retriever: Retriever) -> None:
        self._collections = collections
        self._retriever = retriever

    def __call__(self, collection: CollectionKey, *, min_memory_version: str) -> LabelCounts:
        """Return the counts. Raises NotFound, InvalidInput, Unavailable."""
        require_collection(self._collections, collection)
        return self._retriever.list_labels(collection, min_memory_version=min_memory_version)


class AuditMemory:
    """Says what may be wrong with a collection."""

    def __init__(
        self, collections: Collections, retriever: Retriever, *, shipped: Sequence[SpaceVote] = ()
    ) -> None:
        self._collections = collections
        self._retriever = retriever
        self._shipped = shipped

    def space(self, key: CollectionKey) -> str:
        """Return the space of looks that answers; empty if none does. Raises NotFound."""
        collection = require_collection(self._collections, key)
        return answering_space(collection, self._shipped)

    def __call__(
        self, collection: CollectionKey, policy: object, *, min_memory_version: str
    ) -> Iterator[object]:
        """Yield the entries as retrieval gives them. Raises NotFound, InvalidInput, Unavailable."""
        require_collection(self._collections, collection)
        return self._retriever.audit(collection, policy, min_memory_version=min_memory_version)
