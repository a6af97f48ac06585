"""Records as they end: a tail of the topic `recognitions.completed`."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Final, cast

from fovea.ranking.v1 import events_pb2
from services.gateway.adapters.shown import Shown
from services.gateway.codec.events import read_completed
from services.gateway.domain.recognition import Ended, Recognition
from services.gateway.ports import Recognitions, Watch
from services.kernel.errors import Conflict, Corrupt, InvalidInput, NotFound
from services.runtime import deadline
from services.runtime.claim_check import Claims, NoClaims
from services.runtime.event_log.ports import EventLog, Record, Tail, TopicPartition
from services.runtime.topics import TOPICS

TOPIC: Final = "recognitions.completed"
_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 0.5
_BATCH: Final = 64
_REMEMBERED: Final = 10_000
_LOOK_BACK: Final = 256


class LogEndings:
    """Tails the topic, each watcher with a tail of its own.

    The log may hold an ending more than once, for every step is done at least once; the first of one
    recognition is its record, and the others are not shown, not even behind a token.

    Args:
        log: Where endings are.
        recognitions: Where records are kept.
        claims: Has those that are too large for the log.
        remembered: How many endings are known to be shown without asking for the record.
        look_back: Of how many endings of each partition before a token that is so as well.
    """

    def __init__(
        self,
        log: EventLog,
        recognitions: Recognitions,
        claims: Claims | None = None,
        *,
        remembered: int = _REMEMBERED,
        look_back: int = _LOOK_BACK,
    ) -> None:
        self._log = log
        self._recognitions = recognitions
        self._claims = claims or NoClaims()
        self._remembered = remembered
        self._look_back = look_back

    def watch(self, resume_token: str) -> Watch:
        """Watch every record from now on, or behind the token."""
        ends = self._log.end_offsets(TOPIC)
        start = _read(resume_token) if resume_token else dict(ends)
        _require_within(start, ends)
        back = self._look_back if resume_token else 0
        positions = {TopicPartition(TOPIC, each): max(0, offset - back) for each, offset in start.items()}
        return Watch(_write(start), self._follow(self._log.tail([TOPIC], start=positions), start))

    def _follow(self, tail: Tail, offsets: dict[int, int]) -> Iterator[Ended]:
        shown = Shown(self._recognitions, most=self._remembered)
        with tail:
            while True:
                deadline.check(endless=True)
                for record in tail.poll(_wait_s(), most=_BATCH):
                    _, partition, offset = record.position
                    if offset < offsets.get(partition, 0):
                        shown.add_earlier(record)
                        continue
                    recognition = None if record in shown else self._recognition(record)
                    repeated = recognition is not None and shown.repeats(recognition)
                    offsets[partition] = offset + 1
                    if recognition is not None and not repeated:
                        shown.add(record)
                        yield Ended(recognition, _write(offsets))

    def _recognition(self, record: Record) -> Recognition | None:
        """Return what ended; None if that is lost, since a watcher who came again would meet it again."""
        try:
            event = TOPICS[TOPIC].decode(self._claims.redeem(record))
            return None if event is None else read_completed(cast("events_pb2.RecognitionCompleted", event))
        except (InvalidInput, NotFound, Corrupt) as error:
            _LOG.error("%s cannot be read and is not shown to watchers: %s", record.position, error)
            return None


def _require_within(start: Mapping[int, int], ends: Mapping[int, int]) -> None:
    if any(offset > ends.get(partition, offset) for partition, offset in start.items()):
        message = "resume_token lies behind the end of the event log; it belongs to another one"
        raise Conflict(message, field="resume_token", reason="OFFSET_BEYOND_END")


def _wait_s() -> float:
    left_s = deadline.remaining_s()
    return _LOOK_EVERY_S if left_s is None else min(left_s, _LOOK_EVERY_S)


def _write(offsets: Mapping[int, int]) -> str:
    pairs = sorted(offsets.items())
    return base64.urlsafe_b64encode(json.dumps(pairs).encode()).decode()


def _read(token: str) -> dict[int, int]:
    try:
        pairs = json.loads(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True))
        offsets: dict[int, int] = dict(pairs)
    except (binascii.Error, ValueError, TypeError) as error:
        raise _invalid() from error
    numbers = [*offsets, *offsets.values()]
    if not all(isinstance(each, int) and 0 <= each < 1 << 62 for each in numbers):
        raise _invalid()
    return offsets


def _invalid() -> InvalidInput:
    return InvalidInput(
        "resume_token is none; send one that an answer carried, or none to begin now",
        field="resume_token",
        reason="RESUME_TOKEN_INVALID",
    )
