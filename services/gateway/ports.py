"""What the gateway needs from the world, in its own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from services.gateway.domain.collections import Collection
from services.gateway.domain.migration import Report
from services.gateway.domain.operations import Letter
from services.gateway.domain.recognition import Ended, Progress, Recognition, RecognitionState
from services.gateway.domain.teaching import Change, ExemplarPage, ExemplarQuery, Feedback, LabelCounts
from services.kernel.vocabulary import (
    Candidates,
    CollectionKey,
    EncodedExemplar,
    Envelope,
    ImageReference,
    Prompt,
    Ranking,
    RecognitionOptions,
    Region,
    RegionEmbeddings,
    Shape,
    SpaceVote,
    Stage,
)


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
        self, image: ImageReference, *, shapes: Sequence[Shape] = (), prompts: Sequence[Prompt] = ()
    ) -> Proposal:
        """Return the regions that shapes or prompts name. Raises InvalidInput, Unsupported, Unavailable."""
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


@dataclass(frozen=True)
class StoredImage:
    """An image as a listing shows it. `stored_at_s` is in seconds since the epoch."""

    key: str
    stored_at_s: float


@runtime_checkable
class Images(Protocol):
    """Where the bytes of images are. Keys: `domain.keys`."""

    def store(self, key: str, image: bytes, *, renew: bool = False) -> None:
        """Make the image durable; bytes that are there already are only written again to `renew` their age.

        The key of an image names its digest, so what stands under it never changes.
        """
        ...

    def has(self, key: str) -> bool:
        """Whether the image is there."""
        ...

    def delete(self, key: str) -> None:
        """Remove the image; no error if there is none."""
        ...

    def list(self, prefix: str) -> Iterator[StoredImage]:
        """Yield the images whose key starts with `prefix`."""
        ...


@runtime_checkable
class Recognitions(Protocol):
    """The records, each written once."""

    def find(self, tenant: str, recognition_id: str) -> Recognition | None:
        """Return the record, or None until the recognition has ended."""
        ...

    def keep(self, recognition: Recognition) -> Recognition:
        """Make the record durable and return it, or the one that was there before: the first one stays."""
        ...


@runtime_checkable
class Submissions(Protocol):
    """How far each image of each batch is."""

    def find(self, envelope: Envelope) -> Envelope | None:
        """Return what was accepted under these ids, or None."""
        ...

    def accept(self, envelope: Envelope) -> Envelope:
        """Make the acceptance durable and return it, or the one that was there before."""
        ...

    def end(self, envelope: Envelope, state: RecognitionState) -> None:
        """Note that the image has ended."""
        ...

    def progress(self, tenant: str, submission_id: str) -> Progress:
        """Count the images; all zero for an unknown submission."""
        ...


@runtime_checkable
class Announcer(Protocol):
    """Tells the rest of the platform; whatever is told is durable when the call returns."""

    def submitted(self, envelope: Envelope) -> None:
        """An image is stored and waits for recognition."""
        ...

    def completed(self, recognition: Recognition) -> None:
        """A recognition has ended, and its record is stored."""
        ...

    def corrected(self, feedback: Feedback) -> None:
        """A person gave the right label."""
        ...


@runtime_checkable
class Pending(Protocol):
    """A change of the memory on its way."""

    def result(self) -> str:
        """Wait until it is durable and return a memory version that holds it.

        Raises DeadlineExceeded, and whatever kept the exemplar from being encoded.
        """
        ...


@dataclass(frozen=True)
class Settled:
    """A moment: what was handed over before is in the memory of that version.

    `offsets` says where each partition of `exemplars.submitted` stood.
    """

    offsets: tuple[int, ...]
    memory_version: str


@runtime_checkable
class Teacher(Protocol):
    """Changes the memory."""

    def submit(self, changes: Sequence[Change]) -> Sequence[Pending]:
        """Hand the changes over, in order; one that is handed over takes place even if nobody waits."""
        ...

    def hand_over(self, changes: Sequence[Change]) -> None:
        """As `submit`, for who does not wait. Raises Unavailable."""
        ...

    def settle(self, collection: CollectionKey) -> Settled:
        """Wait until all that anybody handed over before is in the memory. Raises DeadlineExceeded."""
        ...

    def memory_version(self) -> str:
        """Return the version that holds everything that is durable by now."""
        ...


@runtime_checkable
class BackFillMonitor(Protocol):
    """Is told what operators want to know of exemplars that are encoded again; neither blocks nor raises."""

    def remaining(self, *, lacking: int, leaving: int) -> None:
        """Take how many exemplars lack an embedding, and how many have one that is to go."""
        ...

    def handed_over(self, count: int) -> None:
        """Take that so many were handed over."""
        ...


@runtime_checkable
class Collections(Protocol):
    """The collections, as this replica sees them; `default/default` always is there."""

    def find(self, key: CollectionKey) -> Collection | None:
        """Return the collection, or None."""
        ...

    def list(self, tenant: str = "") -> Sequence[Collection]:
        """Return the collections of a tenant, or all, in order of key."""
        ...

    def change(self, collection: Collection) -> None:
        """Make the collection durable; returns when `find` sees it."""
        ...

    def create(self, collection: Collection) -> bool:
        """As `change`, unless the collection is there already: then False."""
        ...

    def remove(self, key: CollectionKey) -> None:
        """Remove the collection; returns when `find` misses it."""
        ...


@runtime_checkable
class DeadLetters(Protocol):
    """Events that nobody could handle."""

    def read(self, tenant: str, topic: str) -> Iterator[Letter]:
        """Yield the letters of one topic, or of all for an empty one; those of `tenant` say if replayed.

        Raises NotFound for an unknown topic, Unavailable.
        """
        ...

    def value(self, letter: Letter) -> bytes | None:
        """Return the event's bytes; None if it is a deletion. Raises NotFound, Corrupt, Unavailable."""
        ...

    def replay(self, letter: Letter) -> None:
        """Publish the event again as it was, and note that. Raises NotFound, Corrupt, Unavailable."""
        ...


@dataclass(frozen=True)
class Watch:
    """What ends behind a token, for ever; the iterator raises DeadlineExceeded when nobody listens."""

    resume_token: str
    endings: Iterator[Ended]


@runtime_checkable
class Endings(Protocol):
    """The records as they end."""

    def watch(self, resume_token: str) -> Watch:
        """Watch every record of every collection that ends from the call on, or behind the token.

        What ends after this method returned is seen. Raises InvalidInput for a token that is none.
        """
        ...
