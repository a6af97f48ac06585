"""Keeping, comparing and bringing back states of a memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import islice
from typing import Final, Protocol, runtime_checkable

from services.gateway.domain.options import effective_options
from services.gateway.domain.recognition import RecognitionState
from services.gateway.domain.teaching import Change
from services.gateway.domain.versions import Applied, QueriesWanted, Query, RecognizedQuery, Step
from services.gateway.ports import Collections, Encoder, Pending, Recognitions, Teacher
from services.gateway.usecases.intake import require_collection
from services.kernel.errors import Conflict, Corrupt, InvalidInput, NotFound, Unsupported
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    CollectionKey,
    RecognitionOptions,
    RegionEmbeddings,
    SpaceVote,
    voting_spaces,
)

_AT_ONCE: Final = 256  # changes that are on their way at a time
_REFUSED: Final = (InvalidInput, NotFound, Conflict, Unsupported, Corrupt)


@runtime_checkable
class Shelf(Protocol):
    """What is kept of memories under names. Messages of type object pass through unread."""

    def keep_version(
        self, collection: CollectionKey, *, name: str, description: str, min_memory_version: str
    ) -> object:
        """Keep the memory as it stands. Raises InvalidInput, Conflict, Unsupported, Unavailable."""
        ...

    def versions(self, collection: CollectionKey) -> Sequence[object]:
        """Return what is kept, the oldest first. Raises Unsupported, Unavailable."""
        ...

    def delete_version(self, collection: CollectionKey, name: str) -> None:
        """Keep a version no longer. Raises NotFound, Unsupported, Unavailable."""
        ...

    def keep_queries(self, wanted: QueriesWanted, queries: Sequence[Query]) -> object:
        """Keep questions. Raises InvalidInput, NotFound, Conflict, Unsupported, Unavailable."""
        ...

    def query_sets(self, collection: CollectionKey) -> Sequence[object]:
        """Return the query sets, the oldest first. Raises Unsupported, Unavailable."""
        ...

    def delete_query_set(self, collection: CollectionKey, name: str) -> None:
        """Keep questions no longer. Raises NotFound, Unsupported, Unavailable."""
        ...

    def clear(self, collection: CollectionKey) -> None:
        """Keep nothing more of a collection. Raises Unavailable."""
        ...

    def compare(
        self,
        collection: CollectionKey,
        states: tuple[object, object],
        *,
        queries: str,
        options: RecognitionOptions,
    ) -> Iterator[object]:
        """Yield the answers that differ, then a summary. Raises InvalidInput, NotFound, Unavailable."""
        ...

    def difference(
        self, collection: CollectionKey, to: object, *, min_memory_version: str
    ) -> tuple[str, Iterator[Step]]:
        """Return the memory version of a state, and what makes the memory that state.

        Raises InvalidInput, NotFound, Unsupported, Unavailable.
        """
        ...

    def mark_erased(
        self, collection: CollectionKey, exemplar_ids: Sequence[str], *, memory_version: str
    ) -> None:
        """Note that these are erased; without a version they are still being forgotten.

        Raises Unsupported, Unavailable.
        """
        ...

    def erased(self, collection: CollectionKey, state: object, *, memory_version: str) -> AbstractSet[str]:
        """Return the ids that a state, which is of this memory version, must not bring back."""
        ...


class KeepVersion:
    """Keeps the memory as it stands under a name."""

    def __init__(self, collections: Collections, teacher: Teacher, shelf: Shelf) -> None:
        self._collections = collections
        self._teacher = teacher
        self._shelf = shelf

    def __call__(
        self, collection: CollectionKey, *, name: str, description: str, min_memory_version: str
    ) -> object:
        """Return what is kept: at least all that is durable by now. Raises as `Shelf.keep_version`."""
        require_collection(self._collections, collection)
        return self._shelf.keep_version(
            collection,
            name=name,
            description=description,
            min_memory_version=min_memory_version or self._teacher.memory_version(),
        )


class KeepQueries:
    """Keeps questions under a name.

    Args:
        shipped: How spaces vote where a collection says nothing; a picture is encoded into those that do.
    """

    def __init__(
        self,
        collections: Collections,
        recognitions: Recognitions,
        encoder: Encoder,
        shelf: Shelf,
        *,
        shipped: RecognitionOptions,
    ) -> None:
        self._collections = collections
        self._recognitions = recognitions
        self._encoder = encoder
        self._shelf = shelf
        self._shipped = shipped

    def __call__(self, wanted: QueriesWanted, recognized: Sequence[RecognizedQuery]) -> object:
        """Return what is kept.

        Raises as `Shelf.keep_queries`, and NotFound for a recognition that is not there, or its image.
        """
        collection = require_collection(self._collections, wanted.collection)
        if len(recognized) > LIMITS.queries_per_set:
            raise InvalidInput(
                f"recognitions has {len(recognized)} entries, at most {LIMITS.queries_per_set} are allowed",
                field="recognitions",
                reason="TOO_MANY_QUERIES",
            )
        votes = effective_options(RecognitionOptions(), collection, self._shipped).votes
        queries = [
            self._query(wanted.collection, each, votes, field=f"recognitions[{i}]")
            for i, each in enumerate(recognized)
        ]
        return self._shelf.keep_queries(wanted, queries)

    def _query(
        self, collection: CollectionKey, asked: RecognizedQuery, votes: Sequence[SpaceVote], *, field: str
    ) -> Query:
        record = self._recognitions.find(collection.tenant, asked.recognition_id)
        if record is None or record.state is RecognitionState.FAILED:
            raise NotFound(
                f"no recognition {asked.recognition_id} of {collection.tenant} has ended with an answer",
                field=f"{field}.recognition_id",
                reason="RECOGNITION_UNKNOWN",
            )
        regions = [each.region for each in record.regions if each.region.region_id == asked.region_id]
        if not regions:
            raise InvalidInput(
                f"the recognition {asked.recognition_id} has no region {asked.region_id!r}",
                field=f"{field}.region_id",
                reason="REGION_UNKNOWN",
            )
        (encoded,) = self._encoder.encode(record.envelope.image, regions, spaces=voting_spaces(votes)).regions
        query_id = f"{asked.recognition_id}/{asked.region_id}"
        return Query(query_id, RegionEmbeddings(query_id, encoded.embeddings), asked.right_label)


class CompareStates:
    """Asks two states of a memory the same questions, with the collection's options."""

    def __init__(self, collections: Collections, shelf: Shelf, *, shipped: RecognitionOptions) -> None:
        self._collections = collections
        self._shelf = shelf
        self._shipped = shipped

    def __call__(
        self,
        collection: CollectionKey,
        states: tuple[object, object],
        *,
        queries: str,
        min_memory_version: str,
    ) -> Iterator[object]:
        """Yield the answers that differ, then a summary. Raises as `Shelf.compare`."""
        settings = require_collection(self._collections, collection)
        asked = RecognitionOptions(min_memory_version=min_memory_version)
        options = effective_options(asked, settings, self._shipped)
        return self._shelf.compare(collection, states, queries=queries, options=options)


class ApplyState:
    """Makes a memory another state of it, through the log, as if somebody taught and forgot.

    Whatever it has done when it breaks off is done, and the next one does the rest.
    """

    def __init__(self, collections: Collections, teacher: Teacher, shelf: Shelf) -> None:
        self._collections = collections
        self._teacher = teacher
        self._shelf = shelf

    def __call__(self, collection: CollectionKey, to: object, *, dry_run: bool) -> Iterator[Applied]:
        """Yield how far it is, the whole at last. Raises as `Shelf.difference`, DeadlineExceeded."""
        require_collection(self._collections, collection)
        durable = self._teacher.memory_version()
        version, steps = self._shelf.difference(collection, to, min_memory_version=durable)
        applied = Applied(memory_version=durable)
        while some := list(islice(steps, _AT_ONCE)):
            if dry_run:
                applied = _counted(applied, some)
            else:
                applied = self._taken(collection, some, applied)
                self._without_erased(
                    collection, some, self._shelf.erased(collection, to, memory_version=version)
                )
            yield applied
        yield replace(applied, memory_version=self._teacher.memory_version())

    def _taken(self, collection: CollectionKey, steps: Sequence[Step], applied: Applied) -> Applied:
        for step, pending in zip(steps, self._submit(collection, steps), strict=True):
            try:
                pending.result()
            except _REFUSED as error:
                applied = replace(applied, failed=applied.failed + 1, error=applied.error or error)
            else:
                applied = _counted(applied, [step])
        return replace(applied, memory_version=self._teacher.memory_version())

    def _without_erased(
        self, collection: CollectionKey, steps: Sequence[Step], erased: AbstractSet[str]
    ) -> None:
        """Forget again what was erased since the difference was found.

        It is marked before it is forgotten: so either the mark is seen here, or it is forgotten after what
        was brought back here.
        """
        back = [Step(step.exemplar_id) for step in steps if step.encoded and step.exemplar_id in erased]
        for pending in self._submit(collection, back):
            pending.result()

    def _submit(self, collection: CollectionKey, steps: Sequence[Step]) -> Sequence[Pending]:
        if not steps:
            return ()
        return self._teacher.submit([_change(collection, step) for step in steps])


def _change(collection: CollectionKey, step: Step) -> Change:
    if step.encoded is None:
        return Change(collection, step.exemplar_id)
    return Change(collection, step.exemplar_id, step.encoded.exemplar, step.encoded.embeddings)


def _counted(applied: Applied, steps: Sequence[Step]) -> Applied:
    restored = sum(step.encoded is not None for step in steps)
    return replace(
        applied,
        restored=applied.restored + restored,
        forgotten=applied.forgotten + len(steps) - restored,
    )
