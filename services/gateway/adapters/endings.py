"""Records as they end: a tail of the topic `recognitions.completed`."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Final

from fovea.ranking.v1 import events_pb2
from services.gateway.codec.recognition import read_recognition
from services.gateway.domain.recognition import Ended, Recognition
from services.gateway.ports import Watch
from services.kernel.errors import Corrupt, InvalidInput, NotFound
from services.runtime import deadline
from services.runtime.claim_check import Claims, NoClaims
from services.runtime.event_log.ports import EventLog, Record, Tail, TopicPartition

TOPIC: Final = "recognitions.completed"
_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 0.5
_BATCH: Final = 64


class LogEndings:
    """Tails the topic, each watcher with a tail of its own."""

    def __init__(self, log: EventLog, claims: Claims | None = None) -> None:
        self._log = log
        self._claims = claims or NoClaims()

    def watch(self, resume_token: str) -> Watch:
        """Watch every record from now on, or behind the token."""
        start = _read(resume_token) if resume_token else dict(self._log.end_offsets(TOPIC))
        positions = {TopicPartition(TOPIC, partition): offset for partition, offset in start.items()}
        return Watch(_write(start), self._follow(self._log.tail([TOPIC], start=positions), start))

    def _follow(self, tail: Tail, offsets: dict[int, int]) -> Iterator[Ended]:
        with tail:
            while True:
                deadline.check(endless=True)
                for record in tail.poll(_wait_s(), most=_BATCH):
                    recognition = self._recognition(record)
                    offsets[record.position.partition] = record.position.offset + 1
                    if recognition is not None:
                        yield Ended(recognition, _write(offsets))

    def _recognition(self, record: Record) -> Recognition | None:
        """Return what ended; None if that is lost, since a watcher who came again would meet it again."""
        try:
            value = self._claims.redeem(record).value
        except (NotFound, Corrupt) as error:
            _LOG.error("%s cannot be read and is not shown to watchers: %s", record.position, error)
            return None
        if value is None:
            return None
        return read_recognition(events_pb2.RecognitionCompleted.FromString(value).recognition)


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
