"""What one watcher was shown already, as far as anybody can tell."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

from services.gateway.domain.recognition import Recognition
from services.gateway.ports import Recognitions
from services.runtime.event_log.ports import Record
from services.runtime.events import SUBMISSION_ID

_SKEW_S: Final = 60.0


class Shown:
    """The last endings that one watcher was shown; an id that came with two batches ended in both.

    It remembers only so many. What was accepted so early that it may have ended before those is asked for
    in the store of records: the first ending of a recognition is its record, and any other a repetition.

    Args:
        recognitions: Where records are kept; they may be there only after the log has told of them.
        most: How many endings are remembered.
    """

    def __init__(self, recognitions: Recognitions, *, most: int) -> None:
        self._recognitions = recognitions
        self._most = most
        self._endings: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._begun: set[int] = set()
        self._unknown_until_s = -math.inf

    def add(self, record: Record) -> None:
        """Note that it is shown now."""
        self._endings[_ending(record)] = record.timestamp_s
        if len(self._endings) > self._most:
            _, forgotten_s = self._endings.popitem(last=False)
            self._unknown_until_s = max(self._unknown_until_s, forgotten_s)

    def add_earlier(self, record: Record) -> None:
        """Note that it was shown; what stands before the first such record of a partition is not known."""
        if record.position.partition not in self._begun:
            self._begun.add(record.position.partition)
            self._unknown_until_s = max(self._unknown_until_s, record.timestamp_s)
        self.add(record)

    def __contains__(self, record: Record) -> bool:
        return _ending(record) in self._endings

    def repeats(self, recognition: Recognition) -> bool:
        """Whether a record that is not remembered repeats an earlier ending. Raises Unavailable."""
        envelope = recognition.envelope
        if envelope.accepted_at_s > self._unknown_until_s + _SKEW_S:
            return False
        kept = self._recognitions.find(envelope.collection.tenant, envelope.recognition_id)
        if kept is None or kept.envelope.submission_id != envelope.submission_id:
            return False
        return kept != recognition


def _ending(record: Record) -> tuple[str, str]:
    return record.key, record.headers.get(SUBMISSION_ID, "")
