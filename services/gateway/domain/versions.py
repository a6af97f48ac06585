"""Bringing back states of a memory, and the questions that they are compared by."""

from __future__ import annotations

from dataclasses import dataclass

from services.kernel.vocabulary import CollectionKey, EncodedExemplar, RegionEmbeddings


@dataclass(frozen=True)
class RecognizedQuery:
    """A region of a recognition, as a question; an empty label: nobody knows the right one."""

    recognition_id: str
    region_id: str
    right_label: str = ""


@dataclass(frozen=True)
class Query:
    """A region as the memory is asked for it."""

    query_id: str
    region: RegionEmbeddings
    right_label: str = ""


@dataclass(frozen=True)
class QueriesWanted:
    """What a query set is to be made of: all of it becomes one set.

    Attributes:
        collection: Whose memory it asks.
        name: Of the set.
        description: For people.
        min_memory_version: Its exemplars are taken from a memory at least this new.
        sample: How many exemplars of each label are drawn, and the seed; None: none are.
        exemplar_ids: Exemplars that were chosen.
    """

    collection: CollectionKey
    name: str
    description: str = ""
    min_memory_version: str = ""
    sample: tuple[int, int] | None = None
    exemplar_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One change on the way to a state: an exemplar as it is there, or none if it is not there."""

    exemplar_id: str
    encoded: EncodedExemplar | None = None


@dataclass(frozen=True)
class Applied:
    """How far the memory is on its way to a state.

    Attributes:
        restored: Exemplars that are as in the state again.
        forgotten: Exemplars that the state does not have.
        failed: Exemplars that could not be brought back.
        error: Why the first of them could not.
        memory_version: Holds what was done.
    """

    restored: int = 0
    forgotten: int = 0
    failed: int = 0
    error: Exception | None = None
    memory_version: str = ""
