"""States of a memory that are kept under names, and how they compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fovea.client.errors import FoveaError
from fovea.client.statuses import from_failure
from fovea.gateway.v1 import versions_pb2 as pb
from fovea.kernel.v1 import versions_pb2

Edits = Mapping[str, str | None]
"""Proposed changes: for each exemplar's id the label that it should have, or None: it should be forgotten."""


@dataclass(frozen=True)
class MemoryVersion:
    """A memory as it stood at one moment, kept under a name. It never changes, but for what is erased.

    Attributes:
        name: `Client.revert` takes it.
        description: For people.
        created_at: When it was kept.
        exemplars: How many it has.
        labels: How many.
        memory_version: Of the memory at that moment.
    """

    name: str
    description: str
    created_at: datetime
    exemplars: int
    labels: int
    memory_version: str


@dataclass(frozen=True)
class QuerySet:
    """Questions that stay the same, kept under a name; `labelled` of them have a right label."""

    name: str
    description: str
    created_at: datetime
    queries: int
    labelled: int
    memory_version: str


@dataclass(frozen=True)
class RecognizedQuery:
    """A region of a recognition, as a question; without a right label it only tells what changes."""

    recognition_id: str
    right_label: str = ""
    region_id: str = "0"


@dataclass(frozen=True)
class QueryAnswer:
    """What a memory says to one query: the first candidate. An empty label is *unknown*."""

    label: str
    score: float
    unknown_score: float


@dataclass(frozen=True)
class ChangedAnswer:
    """A query whose answer is another one; `right_label` is empty if nobody knows it."""

    query_id: str
    right_label: str
    before: QueryAnswer
    after: QueryAnswer

    @property
    def verdict(self) -> str:
        """`mended`, `broken`, `still wrong`, or nothing where the right label is not known."""
        if not self.right_label:
            return ""
        if self.after.label == self.right_label:
            return "mended"
        return "broken" if self.before.label == self.right_label else "still wrong"


@dataclass(frozen=True)
class Share:
    """So many `of` so many; `low` and `high` are Wilson's 95 % interval of the share."""

    count: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share itself; 0 of none."""
        return self.count / self.of if self.of else 0.0


@dataclass(frozen=True)
class Comparison:
    """What two states of a memory answer to the same questions.

    Attributes:
        same: Queries with the same answer.
        right_before: Of the queries with a right label, those that the first state answers with it.
        right_after: Likewise the second.
        mended: Wrong before, right after.
        broken: The reverse.
        changed: The queries whose answer is another one.
        before_memory_version: Of the first state.
        after_memory_version: Of the second.
    """

    same: Share
    right_before: Share
    right_after: Share
    mended: int
    broken: int
    changed: tuple[ChangedAnswer, ...]
    before_memory_version: str
    after_memory_version: str


@dataclass(frozen=True)
class Applied:
    """How far the memory is on its way to a state.

    Attributes:
        restored: Exemplars that are as in the state again.
        forgotten: Exemplars that the state does not have.
        failed: Exemplars that could not be brought back.
        failure: Why the first of them could not.
        memory_version: Holds what was done.
    """

    restored: int = 0
    forgotten: int = 0
    failed: int = 0
    failure: FoveaError | None = None
    memory_version: str = ""


def write_state(*, version: str = "", edits: Edits | None = None) -> versions_pb2.MemoryState:
    """Write which state is meant; without either it is the memory as it stands."""
    if version:
        return versions_pb2.MemoryState(version=version)
    if not edits:
        return versions_pb2.MemoryState()
    written = [
        versions_pb2.Edit(exemplar_id=exemplar_id, forget=True)
        if label is None
        else versions_pb2.Edit(exemplar_id=exemplar_id, label=label)
        for exemplar_id, label in edits.items()
    ]
    return versions_pb2.MemoryState(edits=versions_pb2.Edits(edits=written))


def read_version(message: versions_pb2.MemoryVersion) -> MemoryVersion:
    """Read a version."""
    return MemoryVersion(
        message.name,
        message.description,
        message.created_at.ToDatetime(UTC),
        message.exemplars,
        message.labels,
        message.memory_version,
    )


def read_query_set(message: versions_pb2.QuerySet) -> QuerySet:
    """Read a query set."""
    return QuerySet(
        message.name,
        message.description,
        message.created_at.ToDatetime(UTC),
        message.queries,
        message.labelled,
        message.memory_version,
    )


def read_changed(message: versions_pb2.ChangedAnswer) -> ChangedAnswer:
    """Read a query whose answer is another one."""
    return ChangedAnswer(
        message.query_id, message.right_label, _read_answer(message.before), _read_answer(message.after)
    )


def read_comparison(
    message: versions_pb2.ComparisonSummary, changed: tuple[ChangedAnswer, ...]
) -> Comparison:
    """Read the summary, and put it together with what came before."""
    return Comparison(
        _read_share(message.same),
        _read_share(message.right_before),
        _read_share(message.right_after),
        message.mended,
        message.broken,
        changed,
        message.before_memory_version,
        message.after_memory_version,
    )


def read_applied(message: pb.ApplyStateResponse) -> Applied:
    """Read how far it is."""
    failure = from_failure(message.failure) if message.HasField("failure") else None
    return Applied(message.restored, message.forgotten, message.failed, failure, message.memory_version)


def _read_answer(message: versions_pb2.QueryAnswer) -> QueryAnswer:
    return QueryAnswer(message.label, message.score, message.unknown_score)


def _read_share(message: versions_pb2.Share) -> Share:
    return Share(message.count, message.of, message.low, message.high)
