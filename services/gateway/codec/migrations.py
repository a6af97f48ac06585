"""Migrations, and what is said of them."""

from __future__ import annotations

from fovea.gateway.v1 import migrations_pb2 as pb
from fovea.kernel.v1 import migration_pb2
from services.gateway.domain.migration import Migration, MigrationState, MigrationStatus, Report
from services.runtime.codec.candidates import read_votes, write_vote

_STATES = {
    MigrationState.SIDE_BY_SIDE: migration_pb2.MIGRATION_STATE_SIDE_BY_SIDE,
    MigrationState.CUT_OVER: migration_pb2.MIGRATION_STATE_CUT_OVER,
    MigrationState.FINISHED: migration_pb2.MIGRATION_STATE_FINISHED,
    MigrationState.ABANDONED: migration_pb2.MIGRATION_STATE_ABANDONED,
}
_STATES_READ = {message: state for state, message in _STATES.items()}


def read_migration(message: migration_pb2.Migration) -> Migration:
    """Read a migration; a state of a newer release is taken for its beginning, where nothing is lost."""
    (vote,) = read_votes([message.vote], field="vote") if message.HasField("vote") else (None,)
    return Migration(
        message.from_space,
        message.to_space,
        _STATES_READ.get(message.state, MigrationState.SIDE_BY_SIDE),
        vote,
        message.report if message.HasField("report") else None,
        message.overridden,
    )


def write_migration(migration: Migration) -> migration_pb2.Migration:
    """Write a migration."""
    report = migration.report
    return migration_pb2.Migration(
        from_space=migration.from_space,
        to_space=migration.to_space,
        state=_STATES[migration.state],
        vote=None if migration.vote is None else write_vote(migration.vote),
        report=report if isinstance(report, migration_pb2.SpaceReport) else None,
        overridden=migration.overridden,
    )


def write_status(status: MigrationStatus) -> pb.MigrationStatus:
    """Write how far a migration is."""
    return pb.MigrationStatus(
        migration=write_migration(status.migration),
        old=status.old,
        new=status.new,
        both=status.both,
        looked_at=status.looked_at,
        without_picture=status.without_picture,
        memory_version=status.memory_version,
    )


def read_report(message: migration_pb2.SpaceReport) -> Report:
    """Read how two spaces answer."""
    (vote,) = read_votes([message.vote], field="vote")
    return Report(message.passes, vote, _said(message), message)


def _said(message: migration_pb2.SpaceReport) -> str:
    if not message.asked:
        return "no label has two exemplars in both spaces, so nothing can be compared"
    return (
        f"asked for {message.asked} exemplars of {message.labels} labels, the new encoder is not shown to be "
        f"at most {message.margin:.1%} worse: right first {_pair(message.accuracy, message.asked)}, "
        f"among {message.candidates} {_pair(message.recall, message.asked)}"
    )


def _pair(share: migration_pb2.PairedShare, asked: int) -> str:
    return (
        f"{share.before / asked:.1%} before and {share.after / asked:.1%} after "
        f"(difference {share.least:+.1%} to {share.most:+.1%})"
    )
