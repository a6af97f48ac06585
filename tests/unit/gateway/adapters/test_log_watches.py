"""Watching ends over the event log."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.gateway.adapters.announcements import LogAnnouncer
from services.gateway.adapters.endings import LogEndings
from services.gateway.domain.recognition import Ended, Recognition, RecognitionState
from services.kernel.errors import Conflict, DeadlineExceeded, InvalidInput
from services.runtime import deadline
from services.runtime.claim_check import StoredClaims
from services.runtime.event_log.ports import NewRecord
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.events import EventWriter
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS
from tests.fakes.gateway import InMemoryRecognitions, task
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.object_store import InMemoryStore

WAIT_S = 5.0


def test_a_watch_sees_what_ends_after_it_began_and_goes_on_behind_a_token(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    endings = LogEndings(log, InMemoryRecognitions())
    records = [_record(f"r{i}") for i in range(6)]
    announcer.completed(records[0])
    watched = endings.watch("")
    for record in records[1:4]:
        announcer.completed(record)

    with deadline.within(WAIT_S):
        seen = [next(watched.endings) for _ in range(3)]
        resumed = endings.watch(seen[0].resume_token)
        announcer.completed(records[4])
        rest = [next(resumed.endings) for _ in range(3)]
        first = next(endings.watch(watched.resume_token).endings)

    assert _ids(seen) == {"r1", "r2", "r3"}
    assert _ids(rest) == {"r1", "r2", "r3", "r4"} - _ids(seen[:1])
    assert _ids([first]) <= {"r1", "r2", "r3"}


def test_a_watch_shows_an_ending_once_however_often_the_log_has_it(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    watched = LogEndings(log, InMemoryRecognitions()).watch("")
    for name in ("once", "once", "again", "once", "last"):
        announcer.completed(_record(name))

    with deadline.within(WAIT_S):
        seen = [next(watched.endings).recognition.envelope.recognition_id for _ in range(3)]

    assert sorted(seen) == ["again", "last", "once"]


def test_a_watch_that_goes_on_is_not_shown_again_what_the_one_before_it_was(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    endings = LogEndings(log, InMemoryRecognitions(), look_back=1)
    watched = endings.watch("")
    announcer.completed(_record("seen"))
    with deadline.within(WAIT_S):
        token = next(watched.endings).resume_token
        for name in ("seen", "seen", "new"):
            announcer.completed(_record(name))
        resumed = next(endings.watch(token).endings)

    assert _ids([resumed]) == {"new"}


def test_a_watch_remembers_so_many_endings_and_not_more(log: SqliteLog, publisher: Publisher) -> None:
    announcer = LogAnnouncer(publisher)
    watched = LogEndings(log, InMemoryRecognitions(), remembered=1).watch("")
    with deadline.within(WAIT_S):
        for name in ("first", "second", "first"):
            announcer.completed(_record(name))
            assert _ids([next(watched.endings)]) == {name}


def test_a_repeated_ending_is_not_shown_though_the_first_is_forgotten(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    recognitions = InMemoryRecognitions()
    watched = LogEndings(log, recognitions, remembered=1).watch("")
    first = recognitions.keep(_record("first"))
    with deadline.within(WAIT_S):
        for record in (first, _record("second")):
            announcer.completed(record)
            next(watched.endings)
        announcer.completed(replace(first, ended_at_s=first.ended_at_s + 1))
        announcer.completed(_record("third"))
        seen = next(watched.endings)

    assert _ids([seen]) == {"third"}


def test_a_repeated_ending_is_not_shown_behind_a_token_far_from_the_first(
    log: SqliteLog, publisher: Publisher
) -> None:
    announcer = LogAnnouncer(publisher)
    recognitions = InMemoryRecognitions()
    endings = LogEndings(log, recognitions, look_back=1)
    watched = endings.watch("")
    first = recognitions.keep(_record("first"))
    for record in (first, *(_record(f"r{number}") for number in range(40))):  # some in each partition
        announcer.completed(record)
    with deadline.within(WAIT_S):
        token = [next(watched.endings) for _ in range(41)][-1].resume_token
        announcer.completed(replace(first, ended_at_s=first.ended_at_s + 1))
        announcer.completed(_record("new"))
        seen = next(endings.watch(token).endings)

    assert _ids([seen]) == {"new"}


def test_an_id_that_came_with_two_batches_is_shown_for_both(log: SqliteLog, publisher: Publisher) -> None:
    announcer = LogAnnouncer(publisher)
    watched = LogEndings(log, InMemoryRecognitions()).watch("")
    record = _record("both")
    announcer.completed(record)
    announcer.completed(replace(record, envelope=replace(record.envelope, submission_id="other")))

    with deadline.within(WAIT_S):
        seen = [next(watched.endings).recognition.envelope.submission_id for _ in range(2)]

    assert seen == [record.envelope.submission_id, "other"]


def test_a_token_of_another_log_is_refused(log: SqliteLog, publisher: Publisher) -> None:
    LogAnnouncer(publisher).completed(_record("only"))
    beyond = base64.urlsafe_b64encode(b"[[0, 2], [1, 2], [2, 2], [3, 2]]").decode()

    with pytest.raises(Conflict) as refused:
        LogEndings(log, InMemoryRecognitions()).watch(beyond)

    assert refused.value.reason == "OFFSET_BEYOND_END"


def test_a_watch_fetches_large_records_and_leaves_out_those_that_are_lost(log: SqliteLog) -> None:
    store = InMemoryStore()
    claims = StoredClaims(store, most_bytes=1)
    announcer = LogAnnouncer(Publisher(log, EventWriter(TOPICS, producer="gateway/test", claims=claims)))
    watched = LogEndings(log, InMemoryRecognitions(), claims).watch("")
    announcer.completed(_record("lost"))
    (payload,) = store.list("")
    store.delete(payload.key)
    announcer.completed(_record("damaged"))
    (payload,) = store.list("")
    store.put(payload.key, b"something else")
    announcer.completed(_record("whole"))

    with deadline.within(WAIT_S):
        assert _ids([next(watched.endings)]) == {"whole"}


def test_a_watch_goes_on_behind_what_is_no_ending(log: SqliteLog, publisher: Publisher) -> None:
    watch = LogEndings(log, InMemoryRecognitions()).watch("")
    absurd = _record("absurd")
    absurd = replace(absurd, envelope=replace(absurd.envelope, recognition_id="a/b"))
    for value in (b"\xff\xff noise", b""):
        log.publish([NewRecord("recognitions.completed", "acme/birds/noise", value)])
    announcer = LogAnnouncer(publisher)
    announcer.completed(absurd)
    announcer.completed(_record("right"))

    assert next(watch.endings).recognition.envelope.recognition_id == "right"


def test_a_watch_ends_when_nobody_listens_any_more(log: SqliteLog) -> None:
    with deadline.within(0.05), pytest.raises(DeadlineExceeded):
        next(LogEndings(log, InMemoryRecognitions()).watch("").endings)


@pytest.mark.parametrize("token", ["no token", "e30", "MQ==", "W1siYSIsMV1d", "W1swLC0xXV0=", "é"])
def test_a_token_that_is_none_is_refused(log: SqliteLog, token: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        LogEndings(log, InMemoryRecognitions()).watch(token)

    assert refused.value.field == "resume_token"


def _record(recognition_id: str) -> Recognition:
    envelope = GatewayCase().intake(task(recognition_id=recognition_id)).envelope
    return Recognition(envelope, RecognitionState.COMPLETED)


def _ids(ended: Sequence[Ended]) -> set[str]:
    return {each.recognition.envelope.recognition_id for each in ended}
