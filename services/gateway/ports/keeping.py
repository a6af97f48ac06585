"""What is kept, announced and watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from services.gateway.domain.collections import Collection
from services.gateway.domain.operations import Letter
from services.gateway.domain.recognition import Ended, Progress, Recognition, RecognitionState
from services.gateway.domain.teaching import Feedback
from services.kernel.vocabulary import (
    CollectionKey,
    Envelope,
)


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
