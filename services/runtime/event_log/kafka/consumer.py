"""A member of a group."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.coordinator.base import MemberState
from kafka.errors import RebalanceInProgressError

from services.kernel.errors import Conflict, InvalidInput
from services.runtime.event_log.kafka.errors import FOREIGN, translated
from services.runtime.event_log.kafka.options import KafkaOptions
from services.runtime.event_log.kafka.polling import SLICE_S, fetch, poll
from services.runtime.event_log.ports import Commit, Record, TopicPartition

_METADATA_LIMIT_BYTES = 4096
_NO_EPOCH = -1
_log = logging.getLogger(__name__)

Join = Callable[[], Any]


class KafkaConsumer:
    """One member of a group. Not thread-safe, as the library's consumer behind it.

    Args:
        join: Returns a new consumer of the library, configured for the group.
        topics: What it reads.
        options: Times.
        check: Raises Unavailable once the log is closed.
    """

    def __init__(
        self, join: Join, topics: Sequence[str], options: KafkaOptions, check: Callable[[], None]
    ) -> None:
        self._join = join
        self._topics = list(topics)
        self._options = options
        self._check = check
        self._owned: frozenset[TopicPartition] = frozenset()
        self._paused: frozenset[TopicPartition] = frozenset()
        self._held: list[Record] = []
        self._unseen_loss = False
        self._sharings = _Sharings()
        self._closed = False
        self._patience_s = options.join_s
        self._start()

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Record]:
        """Take over or give up partitions, then return the next records."""
        return poll(self._turn, self._check, timeout_s=timeout_s, most=most)

    def commit(self, commits: Mapping[TopicPartition, Commit]) -> None:
        """Make the group's place durable; if the group is just being shared out anew, after that."""
        if any(len(commit.metadata.encode()) > _METADATA_LIMIT_BYTES for commit in commits.values()):
            raise InvalidInput(f"the note is longer than {_METADATA_LIMIT_BYTES} bytes", field="metadata")
        end_s = time.monotonic() + self._options.request_s
        self._check_owned(commits)
        while commits and not self._commit(commits):
            if time.monotonic() > end_s:
                raise Conflict("the group is being shared out anew", reason="PARTITION_NOT_ASSIGNED")
            self._held += self._fetch(SLICE_S, 1)  # a poll goes on with that; what it gives is kept
            self._check_owned(commits)

    def committed(self, source: TopicPartition) -> Commit | None:
        """Return the group's place in one partition."""
        with translated("cannot read the group's place"):
            found = self._inner.committed(
                KafkaPartition(*source), metadata=True, timeout_ms=self._options.request_s * 1000
            )
        if found is None or found.offset < 0:
            return None
        return Commit(found.offset, found.metadata or "")

    def position(self, source: TopicPartition) -> int | None:
        """Return where the next poll goes on; what was read and could not be taken yet is still to come."""
        if source not in self._owned:
            return None
        if held := [record.position.offset for record in self._held if record.source == source]:
            return min(held)
        with translated("cannot tell the position"):
            offset: int | None = self._inner.position(KafkaPartition(*source), timeout_ms=0)
        return offset

    def sharings(self) -> int:
        """Return how often this member was told what belongs to it."""
        return self._sharings.count

    def assignment(self) -> frozenset[TopicPartition]:
        """Return what the last poll left assigned."""
        return self._owned

    def pause(self, sources: frozenset[TopicPartition]) -> None:
        """Leave these partitions out of polls."""
        new = (sources & self._owned) - self._paused
        self._paused |= new
        self._inner_do(self._inner.pause, new)

    def resume(self, sources: frozenset[TopicPartition]) -> None:
        """Read these partitions again, from where polls left them."""
        ended = sources & self._paused
        self._paused -= ended
        self._inner_do(self._inner.resume, ended)

    def close(self) -> None:
        """Leave the group."""
        if not self._closed:
            self._closed = True
            self._leave()

    def __enter__(self) -> KafkaConsumer:  # noqa: PYI034  (beartype cannot check Self)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self._losses = _Losses(self._sharings)
        self._outside_since_s: float | None = time.monotonic()
        with translated("cannot join the group"):
            self._inner = self._join()
            try:
                self._inner.subscribe(self._topics, listener=self._losses)
                # Loads the topics' metadata before joining. What arrives later makes a leader join again,
                # and if a short poll cuts that short, the library forgets that it was joining: see `_watch`.
                self._inner.topics()
            except BaseException:
                self._leave()
                raise

    def _turn(self, timeout_s: float, most: int) -> list[Record] | None:
        """Return the next records, or None to let the caller see what it lost before anything else.

        A partition that went and came back within one poll would look as if it had never been away, and
        what the caller has in hand of it may be done by somebody else by now.
        """
        if not self._unseen_loss:
            self._owned = self._assigned()
            records = self._unheld(most) or self._fetch(timeout_s, most)
            if not self._unseen_loss:
                return records
            self._held += records
        self._unseen_loss = False
        return None

    def _unheld(self, most: int) -> list[Record]:
        """Take the next of the records that were read while nobody could take them."""
        ready = [record for record in self._held if record.source not in self._paused][:most]
        taken = {record.position for record in ready}
        self._held = [record for record in self._held if record.position not in taken]
        return ready

    def _fetch(self, timeout_s: float, most: int) -> list[Record]:
        records = fetch(self._inner, timeout_s, most)
        now = self._assigned()
        kept = (self._owned - self._losses.take()) & now
        if kept == self._owned:
            self._owned = now
        else:
            self._keep(kept)
        self._watch()
        return [record for record in records if record.source in now]

    def _keep(self, kept: frozenset[TopicPartition]) -> None:
        self._owned = kept
        self._paused &= kept
        self._held = [record for record in self._held if record.source in kept]
        self._unseen_loss = True

    def _watch(self) -> None:
        """Start anew if this member is outside its group for too long.

        Joining may hang for ever: `poll` returns nothing and raises nothing, and no heartbeat is sent. Having
        joined and been given nothing is another thing: there are more members than partitions.
        """
        if self._inner.group_metadata().state is MemberState.STABLE:
            self._outside_since_s, self._patience_s = None, self._options.join_s
            return
        now_s = time.monotonic()
        if self._outside_since_s is None:
            self._outside_since_s = now_s
        if now_s - self._outside_since_s > self._patience_s:
            _log.warning("not in the group after %.0f s, joining anew", now_s - self._outside_since_s)
            self._patience_s = min(2 * self._patience_s, self._options.poll_interval_s)
            self._leave()
            self._keep(frozenset())
            self._start()

    def _check_owned(self, commits: Mapping[TopicPartition, Commit]) -> None:
        """Refuse what belongs to another member; Kafka itself would take it."""
        if foreign := sorted(set(commits) - self._owned):
            message = f"{foreign} is not assigned to this member of the group"
            raise Conflict(message, reason="PARTITION_NOT_ASSIGNED")

    def _commit(self, commits: Mapping[TopicPartition, Commit]) -> bool:
        """Commit, and return whether that was possible: during a rebalance it is not."""
        # always with metadata: a bare commit wipes the note that is there
        offsets = {
            KafkaPartition(*source): OffsetAndMetadata(commit.offset, commit.metadata, _NO_EPOCH)
            for source, commit in commits.items()
        }
        with translated("cannot commit"):
            try:
                self._inner.commit(offsets, timeout_ms=self._options.request_s * 1000)
            except RebalanceInProgressError:
                return False
        return True

    def _assigned(self) -> frozenset[TopicPartition]:
        return frozenset(TopicPartition(*source) for source in self._inner.assignment())

    def _inner_do(self, action: Callable[..., None], sources: Iterable[TopicPartition]) -> None:
        with translated("cannot pause or resume"):
            action(*(KafkaPartition(*source) for source in sources))

    def _leave(self) -> None:
        try:
            self._inner.close(autocommit=False, timeout_ms=self._options.request_s * 1000)
        except FOREIGN:  # the others get the partitions when the session ends
            _log.warning("could not say goodbye to the group", exc_info=True)


class _Sharings:
    """Counts how often the group told this member what belongs to it."""

    def __init__(self) -> None:
        self.count = 0


class _Losses(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Notes which partitions the group took away without asking.

    The library calls it on its own I/O thread, so it does nothing but note. What is revoked in an ordinary
    rebalance needs no note: all are, and most come back with their position.
    """

    def __init__(self, sharings: _Sharings) -> None:
        self._sharings = sharings
        self._lost: set[TopicPartition] = set()
        self._lock = threading.Lock()

    def on_partitions_revoked(self, revoked: object) -> None:
        """Do nothing."""

    def on_partitions_assigned(self, _: object) -> None:
        """Count."""
        self._sharings.count += 1

    def on_partitions_lost(self, lost: Iterable[tuple[str, int]]) -> None:
        """Note."""
        with self._lock:
            self._lost |= {TopicPartition(*source) for source in lost}

    def take(self) -> frozenset[TopicPartition]:
        """Return what was lost since the last time."""
        with self._lock:
            lost, self._lost = frozenset(self._lost), set()
        return lost
