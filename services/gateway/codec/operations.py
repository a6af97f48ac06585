"""Dead letters: records of the log to what operators see, and messages."""

from __future__ import annotations

from fovea.gateway.v1 import operations_pb2 as pb
from services.gateway.codec.events import read_cause
from services.gateway.codec.recognition import read_tenant
from services.gateway.domain.operations import Letter, LetterFilter, Replay, ReplayOutcome
from services.runtime.codec.failure import failure_of, write_failure
from services.runtime.codec.recognition import write_time
from services.runtime.dead_letters import DeadLetter
from services.runtime.event_log.ports import Position, Record
from services.runtime.events import TENANT
from services.runtime.topics import Subject

_OUTCOMES = {
    ReplayOutcome.REPLAYED: pb.REPLAY_OUTCOME_REPLAYED,
    ReplayOutcome.WOULD_REPLAY: pb.REPLAY_OUTCOME_WOULD_REPLAY,
    ReplayOutcome.ALREADY_REPLAYED: pb.REPLAY_OUTCOME_ALREADY_REPLAYED,
    ReplayOutcome.REFUSED: pb.REPLAY_OUTCOME_REFUSED,
}


def read_letter(record: Record, *, replayed_s: float | None) -> Letter:
    """Read a record of a topic of dead letters. Raises InvalidInput if it is none."""
    letter = DeadLetter.of_record(record)
    cause = letter.cause
    return Letter(
        id=write_id(record.position),
        topic=letter.origin.topic,
        partition=letter.origin.partition,
        offset=letter.origin.offset,
        key=letter.key,
        tenant=letter.headers.get(TENANT) or Subject.of_key(letter.key).tenant,
        headers=letter.headers,
        failure=read_cause(cause),
        attempts=cause.attempts,
        service=cause.service,
        version=cause.version,
        first_seen_s=cause.first_seen_s,
        last_seen_s=cause.last_seen_s,
        replayed_s=replayed_s,
    )


def write_id(position: Position) -> str:
    """Write where a letter stands."""
    return ":".join(map(str, position))


def read_filter(message: pb.DeadLetterFilter) -> LetterFilter:
    """Read which letters are meant."""
    return LetterFilter(read_tenant(message.tenant), message.topic, message.reason, frozenset(message.ids))


def write_letter(letter: Letter) -> pb.DeadLetter:
    """Write a letter."""
    return pb.DeadLetter(
        id=letter.id,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        key=letter.key,
        headers=letter.headers,
        failure=write_failure(letter.failure),
        attempts=letter.attempts,
        service=letter.service,
        service_version=letter.version,
        first_seen_at=write_time(letter.first_seen_s),
        last_seen_at=write_time(letter.last_seen_s),
        replayed_at=None if letter.replayed_s is None else write_time(letter.replayed_s),
    )


def write_replay(replay: Replay) -> pb.Replay:
    """Write what became of a letter."""
    return pb.Replay(
        letter=write_letter(replay.letter),
        outcome=_OUTCOMES[replay.outcome],
        failure=write_failure(failure_of(replay.error)) if replay.error else None,
    )
