"""Dead letters for those who keep the platform running: look, and publish again."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from services.gateway.domain.operations import (
    Letter,
    LetterFilter,
    Replay,
    ReplayOutcome,
    require_replayable,
)
from services.gateway.ports import DeadLetters
from services.kernel.errors import Conflict, Corrupt, InvalidInput, NotFound
from services.kernel.limits import LIMITS


class ListDeadLetters:
    """Finds a tenant's dead letters."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    def __call__(self, wanted: LetterFilter, *, limit: int) -> Sequence[Letter]:
        """Return the newest, newest first. Raises InvalidInput, NotFound for a topic that is none."""
        return heapq.nlargest(_checked(limit), _matching(self._letters, wanted), key=_last_seen)


class GetDeadLetter:
    """Finds one, with its bytes."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    def __call__(self, tenant: str, letter_id: str) -> tuple[Letter, bytes | None]:
        """Return letter and value. Raises NotFound."""
        found = next(iter(_matching(self._letters, LetterFilter(tenant, ids=frozenset({letter_id})))), None)
        if found is None:
            raise NotFound(
                f"tenant {tenant} has no dead letter {letter_id}", field="id", reason="DEAD_LETTER_UNKNOWN"
            )
        return found, self._letters.value(found)


class ReplayDeadLetters:
    """Publishes events again, as they were: whoever handled one already finds its id and does no more."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    def __call__(self, wanted: LetterFilter, *, limit: int, dry_run: bool, again: bool) -> Sequence[Replay]:
        """Return what became of each, oldest first, so that events about one thing keep their order.

        Raises:
            InvalidInput: The filter would mean everything.
            NotFound: The topic is none.
            Unavailable: The rest is not replayed; asking again goes on where this ended.
        """
        if not wanted.names_some:
            raise InvalidInput("name ids, a topic or a reason", field="filter", reason="FILTER_EMPTY")
        found = heapq.nsmallest(_checked(limit), _matching(self._letters, wanted), key=_last_seen)
        return [self._replay(letter, dry_run=dry_run, again=again) for letter in found]

    def _replay(self, letter: Letter, *, dry_run: bool, again: bool) -> Replay:
        if letter.replayed_s is not None and not again:
            return Replay(letter, ReplayOutcome.ALREADY_REPLAYED)
        try:
            require_replayable(letter)
            if dry_run:
                self._letters.value(letter)
                return Replay(letter, ReplayOutcome.WOULD_REPLAY)
            self._letters.replay(letter)
        except (Conflict, NotFound, Corrupt) as error:
            return Replay(letter, ReplayOutcome.REFUSED, error)
        return Replay(letter, ReplayOutcome.REPLAYED)


def _matching(letters: DeadLetters, wanted: LetterFilter) -> Iterable[Letter]:
    return (letter for letter in letters.read(wanted.tenant, wanted.topic) if letter in wanted)


def _last_seen(letter: Letter) -> tuple[float, str, int]:
    return letter.last_seen_s, letter.topic, letter.offset


def _checked(limit: int) -> int:
    if limit > LIMITS.page_size:
        raise InvalidInput(
            f"limit is {limit}; the most is {LIMITS.page_size}", field="limit", reason="LIMIT_TOO_LARGE"
        )
    return limit or LIMITS.default_page_size
