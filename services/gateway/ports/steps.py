"""The services that an image passes through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from services.gateway.domain.migration import Report
from services.gateway.domain.teaching import ExemplarPage, ExemplarQuery, LabelCounts
from services.kernel.rankings import Candidates, Ranking
from services.kernel.vocabulary import (
    CollectionKey,
    EncodedExemplar,
    FindOptions,
    ImageReference,
    Prompt,
    RecognitionOptions,
    Region,
    RegionEmbeddings,
    Shape,
    SpaceVote,
    Stage,
)

NOTHING_SAID: Final = FindOptions()


@dataclass(frozen=True)
class Proposal:
    """The regions of one image, and how they were found."""

    regions: tuple[Region, ...]
    stage: Stage


@dataclass(frozen=True)
class Encoding:
    """The embeddings of an image's regions, in order, and how they were made."""

    regions: tuple[RegionEmbeddings, ...]
    stage: Stage


@dataclass(frozen=True)
class Recollection:
    """The candidates of an image's regions, in order, and how they were found."""

    candidates: tuple[Candidates, ...]
    stage: Stage


@dataclass(frozen=True)
class Ordering:
    """The rankings of an image's regions, in order, and how they were made."""

    rankings: tuple[Ranking, ...]
    stage: Stage


@runtime_checkable
class Segmenter(Protocol):
    """Says where to look."""

    def propose(
        self,
        image: ImageReference,
        *,
        shapes: Sequence[Shape] = (),
        prompts: Sequence[Prompt] = (),
        find: FindOptions = NOTHING_SAID,
    ) -> Proposal:
        """Return the regions that shapes or prompts name; prompts may find none.

        Raises:
            InvalidInput: A shape or prompt is wrong.
            NotFound: The picture of an exemplar is gone.
            Unsupported: There are prompts, and no detector.
            Unavailable: It is down.
        """
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns regions into embeddings."""

    def encode(
        self, image: ImageReference, regions: Sequence[Region], *, spaces: Sequence[str] = ()
    ) -> Encoding:
        """Keep the order of the regions. Raises InvalidInput for pixels that are damaged, Unavailable."""
        ...

    def spaces(self) -> tuple[str, ...]:
        """Return the spaces of what pictures look like, the first encoder's first. Raises Unavailable."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """The memory, for those who read it."""

    def recall(
        self,
        collection: CollectionKey,
        regions: Sequence[RegionEmbeddings],
        options: RecognitionOptions,
    ) -> Recollection:
        """Return the candidates of each region, in order. Raises Unavailable."""
        ...

    def list_exemplars(self, query: ExemplarQuery) -> ExemplarPage:
        """Return one page, in order of id. Raises InvalidInput, Unavailable."""
        ...

    def export_exemplars(
        self,
        collection: CollectionKey,
        *,
        min_memory_version: str,
        after: str = "",
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
    ) -> Iterator[EncodedExemplar]:
        """Yield exemplars with their embeddings in order of id, those whose id is greater than `after`.

        They have an embedding in every space of `having`, and none in one or more of `lacking` if it names
        any. Raises InvalidInput, Unavailable.
        """
        ...

    def count_spaces(
        self, collection: CollectionKey, *, min_memory_version: str
    ) -> Mapping[frozenset[str], int]:
        """Return how many exemplars have embeddings in exactly these spaces. Raises Unavailable."""
        ...

    def compare_spaces(
        self,
        collection: CollectionKey,
        before: SpaceVote,
        after_space: str,
        policy: object,
        *,
        min_memory_version: str,
    ) -> Report:
        """Say how two spaces answer for the same exemplars. The policy is a message that passes through.

        Raises InvalidInput, Unavailable.
        """
        ...

    def list_labels(self, collection: CollectionKey, *, min_memory_version: str) -> LabelCounts:
        """Count the exemplars of each label. Raises InvalidInput, Unavailable."""
        ...

    def audit(
        self, collection: CollectionKey, policy: object, *, min_memory_version: str
    ) -> Iterator[object]:
        """Yield what may be wrong with the memory. Policy and entries are messages that pass through unread.

        Raises InvalidInput, Unavailable.
        """
        ...


@runtime_checkable
class Ranker(Protocol):
    """Orders candidates."""

    def rank(
        self,
        image: ImageReference,
        regions: Sequence[Region],
        candidates: Sequence[Candidates],
        options: RecognitionOptions,
    ) -> Ordering:
        """Return a ranking of each region, in order. Raises Unavailable."""
        ...
