"""Watches what is published in Milvus, and gives views of it; every replica has one."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.kernel.errors import FoveaError, InvalidInput, Unavailable
from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.memory.freshness import LogState
from services.retrieval.adapters.milvus.connection import Connection
from services.retrieval.adapters.milvus.nearest import Tables
from services.retrieval.adapters.milvus.schema import Layout
from services.retrieval.adapters.milvus.state import State, StateTable
from services.retrieval.adapters.milvus.view import MilvusView, Remembered
from services.runtime import memory_version
from services.runtime.event_log.ports import TopicPartition

_STALE_S: Final = 10.0  # without an answer of Milvus
_MOST_RETRY_S: Final = 2.0
_REMEMBERED: Final = 256
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Seen:
    """The newest state, and when it was asked for."""

    state: State
    at: float


class StateWatch:
    """Knows the newest state that is published; for many threads.

    Args:
        origin: Says which log is applied in Milvus by one of the replicas, and where it ends. May raise
            Unavailable.
        connection: To Milvus.
        layout: Of the tables.
        every_s: How often it looks. What is published is visible here after that time at most.
        clock: Gives seconds; only differences count.
    """

    def __init__(
        self,
        origin: Callable[[], LogState],
        connection: Connection,
        layout: Layout,
        *,
        every_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origin = origin
        self._log: LogState | None = None
        self._states = StateTable(connection, layout)
        self._tables = Tables(connection, layout)
        self._every_s = every_s
        self._clock = clock
        self._seen: _Seen | None = None
        self._error: FoveaError | None = None
        self._remembered: OrderedDict[tuple[CollectionKey, int], Remembered] = OrderedDict()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="milvus-watch", daemon=True)

    def start(self) -> None:
        """Begin to look, and return at once."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def view(self, collection: CollectionKey) -> MilvusView:
        """Return the collection as it stands. Raises Unavailable before anything is published."""
        seen = self._seen
        if seen is None:
            raise Unavailable(self._why_not(), reason="MEMORY_NOT_READY")
        key = (collection, seen.state.moment)
        with self._changed:
            remembered = self._remembered.setdefault(key, Remembered())
            self._remembered.move_to_end(key)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return MilvusView(self._tables, collection, seen.state, seen.at, self._clock, remembered)

    def position(self) -> Mapping[int, int]:
        """Return, for each partition, up to where it is applied; empty until that is known."""
        return {} if self._seen is None else self._seen.state.offsets

    def check(self) -> None:
        """Raise Unavailable unless all is applied that was in the log at the start, and Milvus answers."""
        seen, log = self._seen, self._log
        if seen is None or log is None:
            raise Unavailable(self._why_not())
        if self._error is not None and self._clock() - seen.at > _STALE_S:
            raise Unavailable(f"Milvus has not answered for {self._clock() - seen.at:.0f} s: {self._error}")
        if not memory_version.reached(seen.state.offsets, log.ends):
            raise Unavailable("the memory in Milvus does not have all yet that is in the log")

    def wait_until(self, offsets: Mapping[TopicPartition, int], timeout_s: float) -> bool:
        """Wait until everything before the offsets is visible; say whether it is.

        Raises InvalidInput for a partition that there is not.
        """
        log = self._log
        wanted = {source.partition: offset for source, offset in offsets.items()}
        if log is not None and (strange := sorted(wanted.keys() - log.ends.keys())):
            raise InvalidInput(f"the log has no partitions {strange}", reason="UNKNOWN_PARTITION")
        with self._changed:
            return self._changed.wait_for(
                lambda: memory_version.reached(self.position(), wanted), max(0.0, timeout_s)
            )

    def _why_not(self) -> str:
        if self._error is not None:
            return f"the memory in Milvus cannot be read: {self._error}"
        return "nothing is published in Milvus yet; one of the replicas will write"

    def _run(self) -> None:
        retry_s = self._every_s
        while not self._stop.is_set():
            try:
                self.look()
            except FoveaError as error:
                retry_s = min(_MOST_RETRY_S, 2 * retry_s)
                self._note(error)
            except Exception as error:  # noqa: BLE001  (it is shown to whoever asks)
                _LOG.exception("looking at the state of the memory failed")
                retry_s = _MOST_RETRY_S
                self._note(Unavailable(str(error)))
            else:
                retry_s = self._every_s
                self._error = None
            self._stop.wait(retry_s)

    def look(self) -> None:
        """Look now. Raises Corrupt, Unsupported, Unavailable."""
        if self._log is None:
            self._log = self._origin()
        at = self._clock()
        state = self._states.read()
        if state is not None and state.log != self._log.identity:
            state = None  # of another log; the writer begins anew
        with self._changed:
            if state is None:
                self._seen = None
            elif self._seen is None or not _is_older(state, self._seen.state):
                self._seen = _Seen(state, at)
            self._changed.notify_all()

    def _note(self, error: FoveaError) -> None:
        if self._error is None:
            _LOG.warning("the state of the memory cannot be read from Milvus: %s", error)
        self._error = error


def _is_older(state: State, known: State) -> bool:
    """Say whether a state is that of a publishing whose answer was lost, and that is to be made again."""
    return state.term == known.term and state.moment < known.moment
