"""What stands behind the gateway's ports in tests."""
# ruff: noqa: ARG002  (a fake need not look at everything)

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from PIL import Image

from services.gateway.domain.collections import DEFAULT_COLLECTION, Collection
from services.gateway.domain.recognition import Ended, Progress, Recognition, RecognitionState, Task
from services.gateway.domain.teaching import Change, Feedback
from services.gateway.ports import (
    Pending,
    Settled,
    StoredImage,
    Watch,
)
from services.kernel.errors import DeadlineExceeded
from services.kernel.vocabulary import (
    CollectionKey,
    Envelope,
    RecognitionOptions,
    SpaceVote,
)
from tests.fakes.gateway_steps import FakeRetriever, looks

NOW_S = 1_000_000.0
SHIPPED = RecognitionOptions(
    size=5,
    votes=(SpaceVote("visual", 1.0, 0.07, 0.5), SpaceVote("name", 0.5, 0.1, 0.3)),
    trust_threshold=0.4,
    unknown_threshold=0.6,
)


def picture(colour: str = "red", *, size: tuple[int, int] = (8, 6)) -> bytes:
    """Return a small PNG."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def task(
    image: bytes | None = None,
    *,
    recognition_id: str = "",
    collection: CollectionKey = DEFAULT_COLLECTION,
    options: RecognitionOptions | None = None,
    submission_id: str = "",
) -> Task:
    return Task(
        collection,
        picture() if image is None else image,
        options or RecognitionOptions(),
        recognition_id=recognition_id,
        submission_id=submission_id,
    )


class InMemoryImages:
    """Images in a dictionary; `now_s` is the time of storing."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, float]] = {}
        self.now_s = NOW_S
        self.error: Exception | None = None

    def store(self, key: str, image: bytes, *, renew: bool = False) -> None:
        if self.error is not None:
            raise self.error
        if renew or key not in self.kept:
            self.kept[key] = (image, self.now_s)

    def has(self, key: str) -> bool:
        return key in self.kept

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    def list(self, prefix: str) -> Iterator[StoredImage]:
        found = [StoredImage(key, age) for key, (_, age) in self.kept.items() if key.startswith(prefix)]
        return iter(found)


class InMemoryRecognitions:
    """Records in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Recognition] = {}

    def find(self, tenant: str, recognition_id: str) -> Recognition | None:
        return self.kept.get((tenant, recognition_id))

    def keep(self, recognition: Recognition) -> Recognition:
        envelope = recognition.envelope
        return self.kept.setdefault((envelope.collection.tenant, envelope.recognition_id), recognition)


class InMemorySubmissions:
    """Markers in dictionaries."""

    def __init__(self) -> None:
        self.accepted: dict[tuple[str, str, str], Envelope] = {}
        self.ended: dict[tuple[str, str, str], RecognitionState] = {}
        self.error: Exception | None = None

    def find(self, envelope: Envelope) -> Envelope | None:
        return self.accepted.get(_ids(envelope))

    def accept(self, envelope: Envelope) -> Envelope:
        if self.error is not None:
            raise self.error
        return self.accepted.setdefault(_ids(envelope), envelope)

    def end(self, envelope: Envelope, state: RecognitionState) -> None:
        self.ended[_ids(envelope)] = state

    def progress(self, tenant: str, submission_id: str) -> Progress:
        states = [state for ids, state in self.ended.items() if ids[:2] == (tenant, submission_id)]
        accepted = sum(ids[:2] == (tenant, submission_id) for ids in self.accepted.keys() | self.ended.keys())
        completed = states.count(RecognitionState.COMPLETED)
        return Progress(accepted, completed, len(states) - completed)


def _ids(envelope: Envelope) -> tuple[str, str, str]:
    return envelope.collection.tenant, envelope.submission_id, envelope.recognition_id


@dataclass
class InMemoryAnnouncer:
    """Remembers what it was told."""

    submissions: list[Envelope] = field(default_factory=list)
    completions: list[Recognition] = field(default_factory=list)
    corrections: list[Feedback] = field(default_factory=list)
    error: Exception | None = None

    def submitted(self, envelope: Envelope) -> None:
        self._fail()
        self.submissions.append(envelope)

    def completed(self, recognition: Recognition) -> None:
        self._fail()
        self.completions.append(recognition)

    def corrected(self, feedback: Feedback) -> None:
        self._fail()
        self.corrections.append(feedback)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


class FakePending:
    """A change that ends when the teacher says so."""

    def __init__(self, version: str, error: Exception | None, gate: threading.Event) -> None:
        self._version = version
        self._error = error
        self._gate = gate

    def result(self) -> str:
        if not self._gate.wait(timeout=5):
            raise DeadlineExceeded("nobody opened the gate")
        if self._error is not None:
            raise self._error
        return self._version


class InMemoryTeacher:
    """Takes changes over into a retriever's exemplars; `errors` by label, and a gate to hold results back."""

    def __init__(self, retriever: FakeRetriever | None = None) -> None:
        self.retriever = retriever or FakeRetriever()
        self.batches: list[list[Change]] = []
        self.errors: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()

    @property
    def changes(self) -> list[Change]:
        return [change for batch in self.batches for change in batch]

    def submit(self, changes: Sequence[Change]) -> Sequence[Pending]:
        self.batches.append(list(changes))
        return [self._take(change) for change in changes]

    def hand_over(self, changes: Sequence[Change]) -> None:
        self.submit(changes)

    def settle(self, collection: CollectionKey) -> Settled:
        return Settled((len(self.changes),), self.memory_version())

    def memory_version(self) -> str:
        return f"v1.0-{len(self.changes)}"

    def _take(self, change: Change) -> FakePending:
        exemplars = self.retriever.exemplars
        exemplars[:] = [each for each in exemplars if each.exemplar_id != change.exemplar_id]
        error = self.errors.get(change.exemplar.label) if change.exemplar else None
        if change.exemplar is not None and error is None:
            exemplars.append(change.exemplar)
            having = {each.space for each in change.embeddings}
            made = (looks(space) for space in change.spaces if space not in having)
            self.retriever.embeddings[change.exemplar_id] = (*change.embeddings, *made)
        return FakePending(self.memory_version(), error, self.gate)


class InMemoryCollections:
    """Collections in a dictionary."""

    def __init__(self, *collections: Collection) -> None:
        self.kept = {DEFAULT_COLLECTION: Collection(DEFAULT_COLLECTION)}
        self.kept.update({each.key: each for each in collections})

    def find(self, key: CollectionKey) -> Collection | None:
        return self.kept.get(key)

    def list(self, tenant: str = "") -> Sequence[Collection]:
        return [self.kept[key] for key in sorted(self.kept) if tenant in ("", key.tenant)]

    def change(self, collection: Collection) -> None:
        self.kept[collection.key] = collection

    def create(self, collection: Collection) -> bool:
        return self.kept.setdefault(collection.key, collection) is collection

    def remove(self, key: CollectionKey) -> None:
        self.kept.pop(key, None)


class InMemoryEndings:
    """Yields the records that it was given."""

    def __init__(self, *recognitions: Recognition) -> None:
        self.recognitions = recognitions
        self.tokens: list[str] = []

    def watch(self, resume_token: str) -> Watch:
        self.tokens.append(resume_token)
        return Watch("begin", (Ended(each, str(i)) for i, each in enumerate(self.recognitions)))
