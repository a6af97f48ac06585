"""The client's calls for those who keep the platform running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from fovea.client.dead_letters import DeadLetter, Replay
from fovea.client.reading import read_time
from fovea.client.session import Session
from fovea.client.statuses import from_failure
from fovea.gateway.v1 import operations_pb2 as pb

_Outcome = Literal["replayed", "would_replay", "already_replayed", "refused"]
_OUTCOMES: Final[dict[int, _Outcome]] = {
    pb.REPLAY_OUTCOME_REPLAYED: "replayed",
    pb.REPLAY_OUTCOME_WOULD_REPLAY: "would_replay",
    pb.REPLAY_OUTCOME_ALREADY_REPLAYED: "already_replayed",
}


class OperationsCalls:
    """Calls about events that nobody could handle."""

    _session: Session

    def list_dead_letters(
        self, *, topic: str = "", reason: str = "", limit: int = 100
    ) -> tuple[DeadLetter, ...]:
        """Return the tenant's newest dead letters, newest first.

        Args:
            topic: Where the events were published; empty: anywhere.
            reason: Code of the error; empty: any.
            limit: Most letters to return.

        Raises:
            NotFound: There is no such topic.
        """
        request = pb.ListDeadLettersRequest(filter=self._filter(topic, reason, ()), limit=limit)
        answer = self._session.connection.call(
            self._session.connection.operations.ListDeadLetters, request, timeout_s=self._session.timeout_s
        )
        return tuple(map(_letter, answer.letters))

    def get_dead_letter(self, letter_id: str) -> tuple[DeadLetter, bytes | None]:
        """Return a dead letter and the event's bytes; None if it is a deletion. Raises NotFound."""
        request = pb.GetDeadLetterRequest(tenant=self._session.tenant, id=letter_id)
        answer = self._session.connection.call(
            self._session.connection.operations.GetDeadLetter, request, timeout_s=self._session.timeout_s
        )
        return _letter(answer.letter), answer.value if answer.HasField("value") else None

    def replay_dead_letters(
        self,
        ids: Sequence[str] = (),
        *,
        topic: str = "",
        reason: str = "",
        dry_run: bool = False,
        again: bool = False,
    ) -> tuple[Replay, ...]:
        """Publish events again, oldest first, and return what became of each; at most 100 at a time.

        >>> client.replay_dead_letters(topic="exemplars.submitted", dry_run=True)

        Args:
            ids: Which letters; empty: those that the filter means.
            topic: Where the events were published.
            reason: Code of the error.
            dry_run: Only say what would be done.
            again: Also those that were replayed before.

        Raises:
            InvalidInput: Neither ids, topic nor reason were given.
        """
        request = pb.ReplayDeadLettersRequest(
            filter=self._filter(topic, reason, ids), dry_run=dry_run, again=again
        )
        answer = self._session.connection.call(
            self._session.connection.operations.ReplayDeadLetters, request, timeout_s=self._session.timeout_s
        )
        return tuple(map(_replay, answer.replays))

    def _filter(self, topic: str, reason: str, ids: Sequence[str]) -> pb.DeadLetterFilter:
        return pb.DeadLetterFilter(tenant=self._session.tenant, topic=topic, reason=reason, ids=ids)


def _letter(message: pb.DeadLetter) -> DeadLetter:
    return DeadLetter(
        id=message.id,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        headers=dict(message.headers),
        failure=from_failure(message.failure),
        attempts=message.attempts,
        service=message.service,
        service_version=message.service_version,
        first_seen=read_time(message.first_seen_at),
        last_seen=read_time(message.last_seen_at),
        replayed=read_time(message.replayed_at) if message.HasField("replayed_at") else None,
    )


def _replay(message: pb.Replay) -> Replay:
    failure = from_failure(message.failure) if message.HasField("failure") else None
    return Replay(_letter(message.letter), _OUTCOMES.get(message.outcome, "refused"), failure)
