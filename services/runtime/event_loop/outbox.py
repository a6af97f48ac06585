"""What handlers returned, until it is durable and the events that led to it are committed."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from services.kernel.errors import Conflict, FoveaError
from services.runtime.event_log.ports import Commit, Consumer, NewRecord, Record, TopicPartition
from services.runtime.event_loop.lane import Done
from services.runtime.event_loop.subscription import Platform, Subscription
from services.runtime.events import sent

_log = logging.getLogger(__name__)

Bury = Callable[[Done, Exception], list[NewRecord]]


@dataclass(frozen=True)
class _Heard:
    """When the group last confirmed this member, on both clocks: the time before it was asked."""

    monotonic_s: float
    now_s: float


_NEVER: Final = _Heard(-math.inf, 0.0)


class Outbox:
    """Publishes the outputs of many events in one call, and commits those of many calls in one.

    To commit takes as long as to publish, and only saves work that would otherwise be done again after a
    death, so it may wait a little; what is read next need not wait for it.

    Both may fail and be called again: what is durable is not published again, and an event is never
    committed before its outputs are durable.

    Args:
        subscription: Whose outputs these are.
        platform: Has the log.
        consumer: Commits.
        bury: Gives the dead letter of an event whose outputs the log will never take.
    """

    def __init__(
        self, subscription: Subscription, platform: Platform, consumer: Consumer, bury: Bury
    ) -> None:
        self._metrics = subscription.metrics
        self._platform = platform
        self._consumer = consumer
        self._bury = bury
        self._done: list[Done] = []
        self._commits: dict[TopicPartition, Commit] = {}
        self._since_s = 0.0
        self._published_s = 0.0
        self._late = {name for name, each in platform.topics.settings().items() if each.late_s is not None}
        self._heard = _NEVER

    def add(self, done: Done) -> None:
        """Take an event that is done with."""
        if not self._done:
            self._since_s = self._platform.clock.monotonic_s()
        self._done.append(done)

    @property
    def due(self) -> bool:
        """Whether the oldest of them has waited long enough for company."""
        waited_s = self._platform.clock.monotonic_s() - self._since_s
        return bool(self._done) and waited_s >= self._platform.flush_after_s

    def drop(self, source: TopicPartition) -> None:
        """Forget the events of a partition that another member has now: it does them again.

        What they led to must not be published any more: by then it may be older than what that member
        has published under the same keys.
        """
        self._done = [done for done in self._done if done.lane.source != source]
        self._commits.pop(source, None)

    def first(self, source: TopicPartition) -> Record | None:
        """Return the first event of a partition that is here, or None."""
        return next((done.record for done in self._done if done.lane.source == source), None)

    def committing(self, source: TopicPartition) -> bool:
        """Return whether events of a partition are published and not yet committed."""
        return source in self._commits

    def __len__(self) -> int:
        return len(self._done)

    @property
    def commit_in_s(self) -> float | None:
        """How long the first commit that waits may wait yet; None if none waits."""
        if not self._commits:
            return None
        waited_s = self._platform.clock.monotonic_s() - self._published_s
        return max(0.0, self._platform.commit_after_s - waited_s)

    def flush(self, *, commit: bool) -> None:
        """Publish, and commit if asked to or if it is time. Raises what the log raises; call again later."""
        if self._done:
            self._publish()
            if not self._commits:
                self._published_s = self._platform.clock.monotonic_s()
            for done in self._done:
                self._commits[done.lane.source] = done.lane.after(done.record)
            self._done = []
        if self._commits and (commit or self.commit_in_s == 0.0):
            self._commit()

    def _require_mine(self) -> None:
        """Raise Conflict if the events are another member's by now.

        A process that stood still for longer than a session does not know of it, and a poll does not tell:
        it returns what was fetched before. Only an answered commit does; if the last one was a while ago,
        one is made that moves nothing.
        """
        heard = self._now()
        if heard.monotonic_s - self._heard.monotonic_s <= self._platform.trust_s:
            return
        self._consumer.commit(
            {done.lane.source: done.lane.here(done.record) for done in reversed(self._done)}
        )
        self._heard = heard

    def _now(self) -> _Heard:
        return _Heard(self._platform.clock.monotonic_s(), self._platform.clock.now_s())

    def _publish(self) -> None:
        started_s = self._platform.clock.monotonic_s()
        if any(record.topic in self._late for done in self._done for record in done.outputs):
            self._require_mine()
        outputs = list(chain.from_iterable(map(self._outputs, self._done)))
        try:
            self._platform.log.publish(outputs)
        except FoveaError as error:
            if self._platform.retry.transient(error):
                self._heard = _NEVER  # it may have been too late, or will be by the next time
                raise
            self._publish_each()
        sent(outputs)
        if outputs:
            self._metrics.published(self._platform.clock.monotonic_s() - started_s)

    def _outputs(self, done: Done) -> list[NewRecord]:
        """Return what an event led to; what must not come late has the time at which it was not.

        This process may stand still at any moment from now on, even within `publish`. The log then finds
        that time too long ago, before another member can have the event.
        """
        return [
            replace(record, as_of_s=self._heard.now_s) if record.topic in self._late else record
            for record in done.outputs
        ]

    def _publish_each(self) -> None:
        """Find whose outputs the log will never take: those events become dead letters."""
        for done in self._done:
            try:
                self._platform.log.publish(self._outputs(done))
            except FoveaError as error:
                if self._platform.retry.transient(error) or done.dead:
                    raise
                self._platform.log.publish(self._bury(done, error))
                sent(done.outputs, type(error).__name__)

    def _commit(self) -> None:
        """Commit what is still assigned here; whoever has the rest now does it again."""
        assigned = self._consumer.assignment()
        kept = {source: commit for source, commit in self._commits.items() if source in assigned}
        heard = self._now()
        try:
            self._consumer.commit(kept)
        except Conflict as error:
            _log.warning("not committed, so whoever has the events now does them again: %s", error)
        else:
            if kept:
                self._heard = heard
        self._commits = {}
