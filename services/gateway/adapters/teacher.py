"""Changes of the memory: handed over through the log, and seen there when they are durable."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Sequence
from typing import Final

from services.gateway.adapters.waiting import wait_until
from services.gateway.codec.memory import write_change
from services.gateway.codec.recognition import error_named
from services.gateway.domain.keys import is_passing
from services.gateway.domain.teaching import Change
from services.gateway.ports import Images, Settled
from services.kernel.errors import FoveaError, InvalidInput
from services.kernel.vocabulary import CollectionKey
from services.runtime import deadline, memory_version
from services.runtime.dead_letters import DeadLetter
from services.runtime.event_log.ports import EventLog, Position, Record
from services.runtime.events import CAUSE_ID, EVENT_ID
from services.runtime.publisher import Publisher
from services.runtime.topics import DEAD

SUBMITTED: Final = "exemplars.submitted"
ENCODED: Final = "exemplars.encoded"
_SETTLE_S: Final = 15.0
_NOBODY: Final = "nobody-"  # ids that are forgotten to learn that what came before is done


class _Waiter:
    """One change on its way."""

    def __init__(self, change: Change) -> None:
        image = change.exemplar.image if change.exemplar else None
        self.passing_key = image.key if image and is_passing(image.key) else ""
        self._condition = threading.Condition()
        self._outcome: str | FoveaError | None = None

    def result(self) -> str:
        """Wait for the memory version, or raise what kept the exemplar from being encoded."""
        with self._condition:
            wait_until(self._condition, lambda: self._outcome is not None)
        if isinstance(self._outcome, FoveaError):
            raise self._outcome
        return str(self._outcome)

    def resolve(self, outcome: str | FoveaError) -> None:
        """Let whoever waits go on."""
        with self._condition:
            self._outcome = outcome
            self._condition.notify_all()


class LogTeacher:
    """Publishes changes, and learns from the log what became of them.

    `saw` must be given every record of `exemplars.encoded` and `exemplars.submitted.dead` from a time
    before the first change on. A change whose caller has gone is still waited for, because its picture
    may have to go when it has ended.
    """

    def __init__(self, log: EventLog, publisher: Publisher, images: Images) -> None:
        self._log = log
        self._publisher = publisher
        self._images = images
        self._waiting: dict[str, _Waiter] = {}

    def submit(self, changes: Sequence[Change]) -> Sequence[_Waiter]:
        """Hand the changes over in one write, in order."""
        waiters, _ = self._submit(changes)
        return waiters

    def _submit(self, changes: Sequence[Change]) -> tuple[tuple[_Waiter, ...], Sequence[Position]]:
        waiters = {str(uuid.uuid4()): _Waiter(change) for change in changes}
        self._waiting.update(waiters)
        try:
            positions = self._publisher.publish(*map(write_change, changes), event_ids=list(waiters))
        except BaseException:
            for own_id in waiters:
                self._waiting.pop(own_id, None)
            raise
        return tuple(waiters.values()), positions

    def hand_over(self, changes: Sequence[Change]) -> None:
        """Hand the changes over in one write, in order; nobody waits, and some may be left undone."""
        self._publisher.publish(*map(write_change, changes))

    def settle(self, collection: CollectionKey) -> Settled:
        """Wait until all that anybody handed over before is in the memory.

        Exemplars that nobody has are forgotten, one at least in each partition: where that has come through,
        all before it has.
        """
        partitions = len(self._log.end_offsets(SUBMITTED))
        offsets: dict[int, int] = {}
        numbers = itertools.count()
        with deadline.within(_SETTLE_S):
            while len(offsets) < partitions:
                nobodies = [f"{_NOBODY}{number}" for number in itertools.islice(numbers, 2 * partitions)]
                waiters, positions = self._submit([Change(collection, each) for each in nobodies])
                offsets.update({position.partition: position.offset for position in positions})
                for waiter in waiters:
                    waiter.result()
        return Settled(tuple(offsets[partition] for partition in range(partitions)), self.memory_version())

    def memory_version(self) -> str:
        """Return the version that holds everything that is durable by now."""
        return memory_version.encode(self._log.end_offsets(ENCODED))

    def saw(self, record: Record) -> None:
        """Resolve the change that the record is the end of, if it was made here."""
        topic = record.position.topic
        change_id = record.headers.get(EVENT_ID if topic == SUBMITTED + DEAD else CAUSE_ID, "")
        waiter = self._waiting.get(change_id)
        if waiter is None:
            return
        if waiter.passing_key:
            self._images.delete(waiter.passing_key)  # if this fails, the record comes again
        waiter.resolve(_outcome(record))
        del self._waiting[change_id]


def _outcome(record: Record) -> str | FoveaError:
    if record.position.topic == ENCODED:
        return memory_version.encode({record.position.partition: record.position.offset + 1})
    try:
        cause = DeadLetter.of_record(record).cause
    except InvalidInput as error:
        return error
    return error_named(cause.error_class, cause.message, field=cause.field, reason=cause.reason)
