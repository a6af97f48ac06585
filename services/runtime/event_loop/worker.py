"""One member of a group: reads, handles, publishes, commits, in this order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from services.kernel.errors import Conflict, Corrupt, FoveaError
from services.runtime.event_log.ports import Consumer, NewRecord, Record, TopicPartition
from services.runtime.event_loop.handling import Handling
from services.runtime.event_loop.lane import Done, Lane, Note
from services.runtime.event_loop.metrics import Outcome
from services.runtime.event_loop.outbox import Outbox
from services.runtime.event_loop.quarantine import OF_THIS_PROCESS
from services.runtime.event_loop.report import Report
from services.runtime.event_loop.subscription import Platform, Subscription

_log = logging.getLogger(__name__)


class KilledProcess(FoveaError):
    """Whoever handled the event died of it."""

    default_reason = "KILLED_PROCESS"


class Worker:
    """Works off what one consumer reads. An event is committed when all it led to is durable.

    Each partition is a lane: worked off in order, and waiting alone when its first event has to wait.
    While the log takes no outputs nothing is handled, but the group's membership is kept by polling.
    """

    def __init__(
        self,
        subscription: Subscription,
        platform: Platform,
        consumer: Consumer,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._subscription = subscription
        self._platform = platform
        self._clock = platform.clock
        self._consumer = consumer
        self._stopping = stopping
        self._handling = Handling(subscription, platform)
        self._outbox = Outbox(subscription, platform, consumer, self._bury)
        self._report = Report(subscription.metrics, self._clock, consumer, self._outbox)
        self._lanes: dict[TopicPartition, Lane] = {}
        self._refusals = 0  # of the log, in a row
        self._refused_until_s: float | None = None

    def step(self) -> None:
        """Read once, and work off what was read unless it has to wait."""
        self._resume()
        records = self._consumer.poll(self._timeout_s(), most=self._subscription.most)
        self._follow_assignment()
        if records:
            self._subscription.metrics.received(len(records))
        for record in records:
            self._lanes[record.source].pending.append(record)
        for lane in list(self._lanes.values()):
            self._work(lane)
        self._flush(commit=not records)
        self._report.now_and_then(self._lanes)

    def finish(self) -> None:
        """Publish and commit what is done."""
        self._flush(commit=True)

    def leave(self) -> None:
        """Say that the partitions are no longer here: the membership has ended, one way or the other."""
        self._report.refused(0)
        for source in self._lanes:
            self._report.lost(source)
        self._lanes = {}

    def _timeout_s(self) -> float:
        now_s = self._clock.monotonic_s()
        ends_s = [lane.resume_at_s for lane in self._lanes.values()] + [self._refused_until_s]
        waits_s = [end_s - now_s for end_s in ends_s if end_s is not None]
        if (commit_in_s := self._outbox.commit_in_s) is not None:
            waits_s.append(commit_in_s)
        return max(0.0, min([self._platform.idle_s, *waits_s]))

    def _follow_assignment(self) -> None:
        """Drop what others took over, since they start where this member committed; begin what is new."""
        assigned = self._consumer.assignment()
        self._report.assigned()
        for lost in self._lanes.keys() - assigned:
            self._report.lost(lost)
            self._outbox.drop(lost)
            del self._lanes[lost]
        for gained in assigned - self._lanes.keys():
            note = Note.of(self._consumer.committed(gained))
            self._lanes[gained] = Lane(gained, guarded=self._subscription.most, note=note)

    def _work(self, lane: Lane) -> None:
        while lane.ready and not self._stopping():
            with OF_THIS_PROCESS.alone() if lane.kills else OF_THIS_PROCESS.trusted():
                if not self._begin(lane, lane.pending[0]):
                    return
                self._attempt(lane, lane.pending[0])
                if lane.careful or self._outbox.due:
                    self._flush(commit=lane.careful)
                self._report.now_and_then(self._lanes)

    def _begin(self, lane: Lane, record: Record) -> bool:
        """Return whether the lane's first event may be handled now.

        If a process before this one may have died of it, the log is told first; what came before it is
        published by then. Another error of the log than Conflict ends this membership.
        """
        if lane.unmarked:
            self._flush(commit=True)
        if self._refused_until_s is not None:
            return False
        if lane.unmarked:
            try:
                self._consumer.commit({lane.source: lane.begin(record.position.offset)})
            except Conflict as error:  # the next poll tells whose the partition is
                lane.marked = False
                _log.info("%s is not begun: %s", record.position, error)
                return False
        return True

    def _attempt(self, lane: Lane, record: Record) -> None:
        """Handle the lane's first event once: then it is done, buried, or waits."""
        started_s, now_s = self._clock.monotonic_s(), self._clock.now_s()
        lane.first_seen_s = lane.first_seen_s if lane.attempts else now_s
        lane.attempts += 1
        try:
            self._refuse_killer(lane)
            outputs = self._handling(record)
        except Exception as error:  # noqa: BLE001  (an error is an instruction; none ends the loop)
            outcome = self._fail(lane, record, error)
        else:
            outcome = self._finish(lane, outputs)
        seconds = self._clock.monotonic_s() - started_s
        age_s = max(0.0, now_s - record.timestamp_s)
        self._subscription.metrics.handled(outcome, seconds=seconds, age_s=age_s)

    def _finish(self, lane: Lane, outputs: list[NewRecord], *, dead: bool = False) -> Outcome:
        attempts = lane.attempts
        self._outbox.add(Done(lane, lane.finish(), outputs, attempts=attempts, dead=dead))
        return "dead" if dead else "ok"

    def _refuse_killer(self, lane: Lane) -> None:
        if lane.kills >= self._platform.retry.kills:
            raise KilledProcess(f"{lane.kills} processes died while they handled this event")

    def _fail(self, lane: Lane, record: Record, error: Exception) -> Outcome:
        if self._platform.retry.again(error, lane.attempts):
            self._wait(lane, record, error)
            return "retry"
        if self._handling.of_dead_letters:
            _log.error("a dead letter could not be handled: %s", record.position, exc_info=error)
            self._finish(lane, [])
            return "skipped"
        letter = self._dead_letter(record, error, lane.attempts, lane.first_seen_s)
        return self._finish(lane, [letter], dead=True)

    def _wait(self, lane: Lane, record: Record, error: Exception) -> None:
        """Pause the partition; its event was survived, so the mark comes off."""
        delay_s = self._platform.retry.delay_s(error, lane.attempts, self._clock.random)
        _log.warning("%s waits %.1f s: %s", record.position, delay_s, error)
        lane.resume_at_s = self._clock.monotonic_s() + delay_s
        self._consumer.pause(frozenset({lane.source}))
        self._subscription.metrics.paused(lane.source.partition, paused=True)
        if lane.marked:
            self._flush(commit=True)
        if lane.marked and self._refused_until_s is None:
            with suppress(FoveaError):  # at worst the event counts one death too many
                self._consumer.commit({lane.source: lane.survive(record.position.offset)})

    def _dead_letter(self, record: Record, error: Exception, attempts: int, first_seen_s: float) -> NewRecord:
        foreseen = isinstance(error, FoveaError) and not isinstance(error, Corrupt)
        level = logging.WARNING if foreseen else logging.ERROR
        trace = None if foreseen else error
        _log.log(level, "%s is a dead letter: %s", record.position, error, exc_info=trace)
        letter = self._handling.dead_letter(record, error, attempts, first_seen_s)
        self._subscription.metrics.dead_letter(letter.headers["dead-reason"])
        return letter

    def _bury(self, done: Done, error: Exception) -> list[NewRecord]:
        if self._handling.of_dead_letters:
            _log.error("what %s led to was refused", done.record.position, exc_info=error)
            return []
        return [self._dead_letter(done.record, error, done.attempts, self._clock.now_s())]

    def _flush(self, *, commit: bool = False) -> None:
        """Make what is done durable; if the log refuses, keep it and let nothing in until it takes it."""
        if self._refused_until_s is not None:
            return
        try:
            self._outbox.flush(commit=commit)
        except FoveaError as error:
            self._refusals += 1
            delay_s = self._platform.retry.delay_s(error, self._refusals, self._clock.random)
            _log.warning("the event log takes nothing, again in %.1f s: %s", delay_s, error)
            self._refused_until_s = self._clock.monotonic_s() + delay_s
        else:
            self._refusals = 0
        self._report.refused(len(self._outbox))

    def _resume(self) -> None:
        """End the waits that are over."""
        now_s = self._clock.monotonic_s()
        for lane in self._lanes.values():
            if lane.resume_at_s is not None and lane.resume_at_s <= now_s:
                lane.resume_at_s = None
                self._subscription.metrics.paused(lane.source.partition, paused=False)
        if self._refused_until_s is not None and self._refused_until_s <= now_s:
            self._refused_until_s = None
            self._flush()
        if self._refused_until_s is None:
            going_on = [source for source, lane in self._lanes.items() if lane.resume_at_s is None]
            self._consumer.resume(frozenset(going_on))
        else:
            self._consumer.pause(self._consumer.assignment())
