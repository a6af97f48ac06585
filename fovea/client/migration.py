"""What is said of a collection's way from one encoder to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fovea.client.options import SpaceVote
from fovea.gateway.v1 import migrations_pb2 as pb
from fovea.kernel.v1 import candidates_pb2, migration_pb2

MigrationState = Literal["side_by_side", "cut_over", "finished", "abandoned", "unknown"]
_STATES: Final[dict[int, MigrationState]] = {
    migration_pb2.MIGRATION_STATE_SIDE_BY_SIDE: "side_by_side",
    migration_pb2.MIGRATION_STATE_CUT_OVER: "cut_over",
    migration_pb2.MIGRATION_STATE_FINISHED: "finished",
    migration_pb2.MIGRATION_STATE_ABANDONED: "abandoned",
}


@dataclass(frozen=True)
class PairedShare:
    """How often two encoders were right about the same exemplars.

    Attributes:
        before: How often the old one was.
        after: How often the new one was.
        difference: After less before, as a share.
        interval: The ends of its 95 % interval.
    """

    before: int
    after: int
    difference: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class SpaceReport:
    """How an old and a new encoder answer for the same exemplars, each asked with itself left out.

    Attributes:
        memory_version: What was asked.
        asked: How many exemplars.
        labels: Of how many labels.
        accuracy: The first candidate is the right one.
        recall: The right one is among the first `candidates`.
        candidates: See `recall`.
        margin: What the new one may be worse by, as a share.
        vote: How the new space should vote.
        passes: It is shown that the new one is not worse by more than the margin.
    """

    memory_version: str
    asked: int
    labels: int
    accuracy: PairedShare
    recall: PairedShare
    candidates: int
    margin: float
    vote: SpaceVote
    passes: bool


@dataclass(frozen=True)
class Migration:
    """How far a collection is on its way from one encoder to another.

    Attributes:
        from_space: Of the old encoder.
        to_space: Of the new one.
        state: `side_by_side`: the old one answers; `cut_over`: the new one; `finished` and `abandoned`: what
            does not answer is dropped.
        old: Exemplars with an embedding of the old one; `new` and `both` likewise.
        new: See `old`.
        both: See `old`.
        looked_at: Of those without a new one, the first so many were looked at.
        without_picture: So many of these have no picture any more, and cannot be filled in.
        report: On what it was cut over, if it was.
        overridden: It was cut over although the report did not pass, or exemplars lacked the new embedding.
    """

    from_space: str
    to_space: str
    state: MigrationState
    old: int
    new: int
    both: int
    looked_at: int
    without_picture: int
    report: SpaceReport | None
    overridden: bool

    @property
    def lacking(self) -> int:
        """How many exemplars have the old embedding alone."""
        return self.old - self.both


def read_status(message: pb.MigrationStatus) -> Migration:
    """Read how far a migration is."""
    migration = message.migration
    return Migration(
        migration.from_space,
        migration.to_space,
        _STATES.get(migration.state, "unknown"),
        message.old,
        message.new,
        message.both,
        message.looked_at,
        message.without_picture,
        read_report(migration.report) if migration.HasField("report") else None,
        migration.overridden,
    )


def read_report(message: migration_pb2.SpaceReport) -> SpaceReport:
    """Read how two encoders answer."""
    return SpaceReport(
        message.memory_version,
        message.asked,
        message.labels,
        _share(message.accuracy),
        _share(message.recall),
        message.candidates,
        message.margin,
        _vote(message.vote),
        message.passes,
    )


def _share(message: migration_pb2.PairedShare) -> PairedShare:
    return PairedShare(message.before, message.after, message.difference, (message.least, message.most))


def _vote(message: candidates_pb2.SpaceVote) -> SpaceVote:
    return SpaceVote(message.space, message.weight, message.temperature, message.reference)
