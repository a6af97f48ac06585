"""Holds what a platform promised against what came of it, from every side from which a user can look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from fovea.kernel.v1.recognition_pb2 import RECOGNITION_STATE_FAILED, Recognition
from fovea.ranking.v1 import events_pb2
from services.runtime.claim_check import Claims, NoClaims
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.reading import read_to_end
from services.runtime.event_loop.worker import KilledProcess
from services.runtime.events import RECOGNITION_ID
from services.runtime.topics import DEAD, TOPICS
from tests.e2e.calls import Calls
from tests.e2e.waiting import unless_missing

COMPLETED: Final = "recognitions.completed"
_DIGITS: Final = 6


@dataclass
class Evidence:
    """What is known of some recognitions, by their ids.

    Args:
        answers: What GetRecognition gave, each different answer once.
        shown: What one caller of WatchRecognitions, who came again behind its token, was shown.
        announced: What the log says of how they ended, in its order.
        announced_s: When, in seconds since the epoch.
        letters: Why events of them became dead letters.
    """

    answers: defaultdict[str, list[Recognition]] = field(default_factory=lambda: defaultdict(list))
    shown: defaultdict[str, list[Recognition]] = field(default_factory=lambda: defaultdict(list))
    announced: defaultdict[str, list[Recognition]] = field(default_factory=lambda: defaultdict(list))
    announced_s: list[float] = field(default_factory=list)
    letters: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, calls: Calls, recognition_ids: Iterable[str]) -> list[str]:
        """Ask for the records, and return the ids of those that there are not."""
        missing = []
        for recognition_id in recognition_ids:
            record = unless_missing(partial(calls.recognition, recognition_id))
            if record is None:
                missing.append(recognition_id)
            else:
                self.hear(recognition_id, record)
        return missing

    def hear(self, recognition_id: str, record: Recognition) -> None:
        """Note an answer; one that is as it was the last time is no news."""
        if record not in self.answers[recognition_id]:
            self.answers[recognition_id].append(record)

    def read(self, log: EventLog, collection: str, claims: Claims | None = None) -> None:
        """Read all that the log says of the recognitions of a collection, in place of what it said before."""
        for known in (self.announced, self.announced_s, self.letters):
            known.clear()
        redeem = (claims or NoClaims()).redeem
        dead = [spec.dead for spec in TOPICS]
        for record in read_to_end(log, [COMPLETED, *dead]):
            _, found, name = [*record.key.split("/"), "", ""][:3]
            if found != collection:
                continue
            if record.position.topic.endswith(DEAD):
                letter = f"{record.headers['dead-topic']}: {record.headers['dead-reason']}"
                self.letters[record.headers.get(RECOGNITION_ID, name)].append(letter)
                continue
            event = events_pb2.RecognitionCompleted.FromString(redeem(record).value or b"")
            self.announced[name].append(event.recognition)
            self.announced_s.append(record.timestamp_s)


@dataclass(frozen=True)
class Balance:
    """What became of work, by its ids; `why` says for each id what is held against it.

    Of what is `contested` the log tells of a result and of a failure, since a step of it was taken by a
    process that died before it could say so, and by two more. The first of both counts, for every caller.
    """

    lost: frozenset[str]
    doubled: frozenset[str]
    dead: frozenset[str]
    wrong: frozenset[str]
    contested: frozenset[str]
    why: Mapping[str, str]

    @property
    def text(self) -> str:
        """The first reasons, for whoever has to look into it."""
        return "; ".join(f"{name}: {reason}" for name, reason in list(self.why.items())[:20])


Check = Callable[[str], str]


def balance(
    accepted: Collection[str],
    evidence: Evidence,
    expected: Mapping[str, Recognition],
    *,
    watched: bool = True,
    announced: bool = True,
) -> Balance:
    """Draw the balance of what was accepted.

    Args:
        accepted: The ids for which there is a receipt, or an answer.
        evidence: What is known of them.
        expected: The record of an undisturbed run of the same image; ids without are not held against one.
        watched: Whether somebody watched all the time, and must have been shown each of them.
        announced: Whether the log has all that is to be known of them.
    """
    account = _Account(evidence, expected, watched=watched, announced=announced)
    why: dict[str, str] = {}

    def those(check: Check) -> frozenset[str]:
        found = {name: reason for name in accepted if (reason := check(name))}
        why.update(found)
        return frozenset(found)

    contested, dead = those(account.contested), those(account.dead)
    return Balance(those(account.lost), those(account.doubled), dead, those(account.wrong), contested, why)


class _Account:
    """Says of one id what is held against it; nothing is the empty text."""

    def __init__(
        self, evidence: Evidence, expected: Mapping[str, Recognition], *, watched: bool, announced: bool
    ) -> None:
        self._evidence = evidence
        self._expected = expected
        self._watched = watched
        self._announced = announced

    def lost(self, name: str) -> str:
        if not self._evidence.answers.get(name):
            return "has no record"
        if self._watched and not self._evidence.shown.get(name):
            return "was not shown to a watcher"
        if self._announced and not self._evidence.announced.get(name):
            return "was not announced"
        return ""

    def doubled(self, name: str) -> str:
        """Say where a user finds more than one result.

        The log may tell of one ending several times: its readers tell by the event's id. But all that it
        tells must be one result, unless it is contested.
        """
        evidence = self._evidence
        if len(evidence.answers.get(name, ())) > 1:
            return f"has had {len(evidence.answers[name])} records"
        if len(evidence.shown.get(name, ())) > 1:
            return f"was shown {len(evidence.shown[name])} times"
        if not self._shown_as_kept(name):
            return "was shown as one record and kept as another"
        if self._announced and not self._told_as_kept(name):
            return "was announced as one record and kept as another"
        return "" if self._killed(name) else self._contradicted(name)

    def contested(self, name: str) -> str:
        return self._contradicted(name) if self._killed(name) else ""

    def _contradicted(self, name: str) -> str:
        if _different(self._evidence.announced.get(name, ())) > 1:
            return "was announced with different results"
        if self._evidence.letters.get(name) and not self._failed(name):
            return f"has a result and a dead letter, {self._evidence.letters[name]}"
        return ""

    def dead(self, name: str) -> str:
        letters = self._evidence.letters.get(name, ())
        return f"dead letter, {list(letters)}" if letters or self._failed(name) else ""

    def wrong(self, name: str) -> str:
        records = [*self._evidence.answers.get(name, ()), *self._evidence.shown.get(name, ())]
        completed = [record for record in records if record.state != RECOGNITION_STATE_FAILED]
        if name not in self._expected or not completed:
            return ""
        right = result_of(self._expected[name])
        return "" if all(result_of(each) == right for each in completed) else "has another result"

    def _failed(self, name: str) -> bool:
        answers = self._evidence.answers.get(name, ())
        return any(record.state == RECOGNITION_STATE_FAILED for record in answers)

    def _killed(self, name: str) -> bool:
        letters = self._evidence.letters.get(name, ())
        return bool(letters) and all(letter.endswith(KilledProcess.default_reason) for letter in letters)

    def _shown_as_kept(self, name: str) -> bool:
        both = [*self._evidence.answers.get(name, ()), *self._evidence.shown.get(name, ())]
        return _different(both) <= 1

    def _told_as_kept(self, name: str) -> bool:
        told, kept = self._evidence.announced.get(name, ()), self._evidence.answers.get(name, ())
        return not told or not kept or kept[0] in told


def _different(records: Sequence[Recognition]) -> int:
    results: list[Any] = []
    for record in records:
        if (result := result_of(record)) not in results:
            results.append(result)
    return len(results)


def result_of(record: Recognition) -> Any:
    """Return what a record says, without what differs from one run of an image to the next: ids and times."""
    bare = Recognition()
    bare.CopyFrom(record)
    bare.ClearField("ended_at")
    for name in ("recognition_id", "submission_id", "accepted_at", "trace_id"):
        bare.envelope.ClearField(name)
    for stage in bare.envelope.stages:
        stage.ClearField("duration_s")
        stage.ClearField("memory_version")  # of all collections together
    return _rounded(MessageToDict(bare))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value
