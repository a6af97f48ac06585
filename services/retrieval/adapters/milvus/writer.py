"""Writes to the memory in Milvus: rows first, then the state that makes them visible, all at once.

One writer at a time. What a batch of changes does is not to be seen until its moment is published: new rows
are born, and old ones die, at a moment that nobody looks at yet. A writer that begins removes what the one
before it wrote and did not publish.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.memory.block import TableKey
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.milvus.connection import Connection
from services.retrieval.adapters.milvus.expressions import among, text
from services.retrieval.adapters.milvus.rows import DESCRIPTIONS, Rows, in_slices, rows_of, tables_of
from services.retrieval.adapters.milvus.schema import ALIVE, Layout, exemplars_schema, vectors_schema
from services.retrieval.adapters.milvus.state import State, StateTable

_IDS_AT_ONCE: Final = 500
_LOG = logging.getLogger(__name__)

Fence = Callable[[], None]
"""Raises Unavailable if somebody else may be the writer by now."""


class MilvusWriter:
    """Makes changes visible to all replicas. Every call raises Unavailable when Milvus cannot do it.

    Args:
        connection: To Milvus.
        layout: Of the tables.
        fence: Asked before every write.
        keep_s: How long a view can be read after a newer state was published.
        clock: Gives seconds; only differences count.
    """

    def __init__(
        self,
        connection: Connection,
        layout: Layout,
        *,
        fence: Fence,
        keep_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._layout = layout
        self._states = StateTable(connection, layout)
        self._fence = fence
        self._keep_s = keep_s
        self._clock = clock
        self._state = State()
        self._published: deque[tuple[float, int]] = deque()  # when which moment was new
        self._items: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """What was published last."""
        return self._state

    def begin(self, state: State) -> None:
        """Take over from the writer before, who published this last."""
        self._fence()
        self._states.prepare()
        self._make(self._layout.exemplars, *exemplars_schema())
        for key in state.tables:
            self._make(self._layout.vectors(key), *vectors_schema(key.dim, self._layout.index))
        self._undo_unpublished(state.moment)
        self._state = replace(state, moment=state.next_term(), keep_s=self._keep_s)
        self._published = deque([(self._clock(), state.moment)])

    def apply(self, changes: Sequence[Change], offsets: Mapping[int, int]) -> None:
        """Make all changes visible at once; `offsets` is how far each partition has then been read."""
        with self._lock:
            moment = self._state.moment + 1
            latest = {(change.collection, change.exemplar_id): change for change in changes}
            rows = [found for change in latest.values() if (found := _rows(change, moment)) is not None]
            self.insert(rows)
            written = {row.exemplar["id"] for row in rows}
            self._end(self._alive(latest.keys()), moment, but=written)
            self._publish(replace(self._state, moment=moment, offsets={**self._state.offsets, **offsets}))

    def insert(self, rows: Sequence[Rows]) -> None:
        """Write new rows; nobody sees them before their moment is published."""
        by_table: defaultdict[TableKey, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            for key, vector in row.vectors.items():
                by_table[key].append(vector)
        self._write(self._layout.exemplars, (row.exemplar for row in rows))
        for key, vectors in by_table.items():
            self._know(key)
            self._write(self._layout.vectors(key), vectors)

    def publish(self, offsets: Mapping[int, int], *, as_of_s: float) -> None:
        """Say how far the log is applied, without a change of the memory.

        The moment stays: a batch that failed half-way may have written rows for the next.
        """
        with self._lock:
            newer = {**self._state.offsets, **offsets}
            self._publish(replace(self._state, offsets=newer, as_of_s=as_of_s))

    def drop_all(self) -> None:
        """Forget everything, so that a memory of another log can begin."""
        for table in self._connection.tables():
            if self._layout.owns(table):
                self._fence()
                self._connection.drop(table)

    def collect(self) -> None:
        """Delete the rows that are dead in every view that can still be read."""
        with self._lock:
            before = self._clock() - self._keep_s
            while len(self._published) > 1 and self._published[1][0] <= before:
                self._published.popleft()
            at, moment = self._published[0]
            if at > before:
                return
            for table in self._versioned():
                self._fence()
                self._connection.delete(table, f"died <= {moment:d}")
            self._states.forget_old_terms(self._state.term)

    def count(self) -> None:
        """Count the rows anew, for `items`."""
        found: defaultdict[str, int] = defaultdict(int)
        for key in self._state.tables:
            if key != DESCRIPTIONS:
                found[key.space] += self._connection.row_count(self._layout.vectors(key))
        self._items = dict(found)

    def items(self) -> Mapping[str, int]:
        """Return how many exemplars each space has, or had, when they were last counted."""
        return self._items

    def _publish(self, state: State) -> None:
        self._fence()
        self._states.publish(state)
        self._state = state
        self._published.append((self._clock(), state.moment))

    def _alive(self, keys: Iterable[tuple[CollectionKey, str]]) -> Iterator[dict[str, Any]]:
        """Yield the rows of some exemplars that nothing has replaced."""
        by_owner: defaultdict[str, list[str]] = defaultdict(list)
        for collection, exemplar_id in keys:
            by_owner[str(collection)].append(exemplar_id)
        for owner, ids in by_owner.items():
            for start in range(0, len(ids), _IDS_AT_ONCE):
                some = among("exemplar_id", ids[start : start + _IDS_AT_ONCE])
                wanted = f"owner == {text(owner)} and died == {ALIVE:d} and {some}"
                yield from self._connection.query(self._layout.exemplars, wanted, ["id", "owner", "tables"])

    def _end(self, rows: Iterable[dict[str, Any]], moment: int, *, but: set[str]) -> None:
        """Have rows die at a moment."""
        ended: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            if row["id"] not in but:
                death = {"id": row["id"], "owner": row["owner"], "died": moment}
                for table in (self._layout.exemplars, *map(self._layout.vectors, tables_of(row))):
                    ended[table].append(death)
        for table, deaths in ended.items():
            self._fence()
            self._connection.upsert(table, deaths, partly=True)

    def _undo_unpublished(self, moment: int) -> None:
        for table in self._versioned():
            self._fence()
            self._connection.delete(table, f"born > {moment:d}")
            unpublished = f"died > {moment:d} and died < {ALIVE:d}"
            for some in self._connection.rows(table, unpublished, ["id", "owner"]):
                self._fence()
                revived = [{"id": row["id"], "owner": row["owner"], "died": ALIVE} for row in some]
                self._connection.upsert(table, revived, partly=True)

    def _write(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        for some in in_slices(rows):
            self._fence()
            self._connection.upsert(table, some)

    def _know(self, key: TableKey) -> None:
        if key not in self._state.tables:
            self._fence()
            self._make(self._layout.vectors(key), *vectors_schema(key.dim, self._layout.index))
            self._state = replace(self._state, tables=(*self._state.tables, key))

    def _make(self, table: str, schema: Any, indexes: Any) -> None:
        layout = self._layout
        self._connection.create(
            table, schema, indexes, num_shards=layout.shards, num_partitions=layout.partitions
        )

    def _versioned(self) -> list[str]:
        tables = self._connection.tables()
        return [table for table in tables if self._layout.owns(table) and table != self._layout.state]


def _rows(change: Change, moment: int) -> Rows | None:
    if change.encoded is None:
        return None
    try:
        return rows_of(change.collection, change.encoded, offset=change.offset, born=moment)
    except InvalidInput as error:
        _LOG.error("an exemplar is left out of the memory: %s", error.message)
        return None
