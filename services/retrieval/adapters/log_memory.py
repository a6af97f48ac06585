"""The memory as a view of the log: reads wait until it is as new as they ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.kernel.errors import DeadlineExceeded, Unavailable
from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.numpy_index import NumpyIndex, NumpyView
from services.runtime import deadline, memory_version


class LogMemory:
    """Reads the arrays that a follower of the log keeps up to date.

    Args:
        index: Where the follower writes.
        wait: Waits until the follower has applied the log up to the offsets, and says whether it did within
            so many seconds.
        most_wait_s: How long a read waits at most, whatever its deadline.
    """

    def __init__(
        self, index: NumpyIndex, wait: Callable[[Mapping[int, int], float], bool], *, most_wait_s: float
    ) -> None:
        self._index = index
        self._wait = wait
        self._most_wait_s = most_wait_s

    def view(self, collection: CollectionKey, *, at_least: str = "") -> NumpyView:
        """Return the collection as it stands, as new as asked."""
        if at_least:
            self._wait_for(memory_version.decode(at_least))
        return self._index.view(collection)

    def _wait_for(self, offsets: Mapping[int, int]) -> None:
        left_s = deadline.remaining_s()
        timeout_s = self._most_wait_s if left_s is None else min(left_s, self._most_wait_s)
        if self._wait(offsets, timeout_s):
            return
        late = left_s is not None and left_s <= self._most_wait_s
        kind = DeadlineExceeded if late else Unavailable
        raise kind(
            f"the memory was not as new as min_memory_version asks within {timeout_s:.3g} s; try again",
            field="min_memory_version",
            reason="MEMORY_BEHIND",
        )
