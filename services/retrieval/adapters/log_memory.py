"""The memory as a view of the log: reads wait until it is as new as they ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol, runtime_checkable

from services.kernel.errors import DeadlineExceeded, InvalidInput, Unavailable
from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.exemplar_records import TOPIC
from services.retrieval.ports import MemoryView
from services.runtime import deadline, memory_version
from services.runtime.event_log.ports import TopicPartition

_FIELD: Final = "min_memory_version"


@runtime_checkable
class Views(Protocol):
    """Gives the collections as they stand."""

    def view(self, collection: CollectionKey) -> MemoryView:
        """Return the collection as it stands; empty if nothing was ever taught."""
        ...


Wait = Callable[[Mapping[TopicPartition, int], float], bool]
"""Waits until the log is applied up to the offsets, and says whether it is within so many seconds."""


class LogMemory:
    """Reads the index that a follower of the log keeps up to date.

    Args:
        index: Where the follower writes.
        wait: Of the follower.
        most_wait_s: How long a read waits at most, whatever its deadline.
    """

    def __init__(self, index: Views, wait: Wait, *, most_wait_s: float) -> None:
        self._index = index
        self._wait = wait
        self._most_wait_s = most_wait_s

    def view(self, collection: CollectionKey, *, at_least: str = "") -> MemoryView:
        """Return the collection as it stands, as new as asked."""
        if at_least:
            self._wait_for(memory_version.decode(at_least, field=_FIELD))
        return self._index.view(collection)

    def _wait_for(self, offsets: Mapping[int, int]) -> None:
        left_s = deadline.remaining_s()
        timeout_s = self._most_wait_s if left_s is None else min(left_s, self._most_wait_s)
        if self._reached(offsets, timeout_s):
            return
        late = left_s is not None and left_s <= self._most_wait_s
        kind = DeadlineExceeded if late else Unavailable
        raise kind(
            f"the memory was not as new as {_FIELD} asks within {timeout_s:.3g} s; try again",
            field=_FIELD,
            reason="MEMORY_BEHIND",
        )

    def _reached(self, offsets: Mapping[int, int], timeout_s: float) -> bool:
        wanted = {TopicPartition(TOPIC, partition): offset for partition, offset in offsets.items()}
        try:
            return self._wait(wanted, timeout_s)
        except InvalidInput as error:
            raise InvalidInput(
                f"{_FIELD} is of another memory: {error.message}",
                field=_FIELD,
                reason="MEMORY_VERSION_INVALID",
            ) from error
