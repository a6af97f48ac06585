"""How far the log is applied in Milvus: kept there too, so that it is never ahead of what it tells of.

Moments count what was published. A writer's first moment begins a new *term*, in whose row it alone writes,
so that the row of a writer that was taken for dead, and writes once more, is older than that of its heir.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.kernel.errors import Corrupt, Unsupported
from services.retrieval.adapters.memory.block import TableKey
from services.retrieval.adapters.milvus.connection import Connection
from services.retrieval.adapters.milvus.schema import Layout, state_schema, without_vector

FORMAT: Final = 1
_MOMENTS: Final = 1 << 32  # of a term
_KEPT_TERMS: Final = 4


@dataclass(frozen=True)
class State:
    """What is published.

    Args:
        moment: Rows born up to it are visible, unless they had died by it.
        offsets: Up to where each partition of the log is applied.
        log: The identity of that log.
        as_of_s: Whatever was published to it before, in seconds since the epoch, is applied.
        tables: The vectors there are.
        keep_s: How long a view of a moment can be read after the next was published.
    """

    moment: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)
    log: str = ""
    as_of_s: float = 0.0
    tables: tuple[TableKey, ...] = ()
    keep_s: float = 0.0

    @property
    def term(self) -> int:
        """Whose moment it is."""
        return self.moment // _MOMENTS

    def next_term(self) -> int:
        """Return the moment before the first of the next term."""
        return (self.term + 1) * _MOMENTS


class StateTable:
    """Reads and publishes states."""

    def __init__(self, connection: Connection, layout: Layout) -> None:
        self._connection = connection
        self._layout = layout
        self._is_there = False

    def prepare(self) -> None:
        """Make the table, if there is none. Raises Unavailable."""
        schema, indexes = state_schema()
        self._connection.create(self._layout.state, schema, indexes)

    def read(self) -> State | None:
        """Return the newest state; None if nothing was published, also where there is no table yet.

        Raises Corrupt, Unsupported, Unavailable.
        """
        if not self._is_there and self._layout.state not in self._connection.tables():
            return None
        self._is_there = False  # look again, if this fails: it may have been dropped
        rows = self._connection.query(self._layout.state, "term >= 0", ["moment", "state"])
        self._is_there = True
        newest = max(rows, key=lambda row: int(row["moment"]), default=None)
        return None if newest is None else _decoded(newest["state"], int(newest["moment"]))

    def publish(self, state: State) -> None:
        """Make a state the newest. Raises Unavailable; then it may be or not."""
        row = {"term": state.term, "moment": state.moment, "state": _encoded(state)}
        self._connection.upsert(self._layout.state, [without_vector(row)])

    def forget_old_terms(self, term: int) -> None:
        """Delete the rows of writers long gone. Raises Unavailable."""
        self._connection.delete(self._layout.state, f"term < {term - _KEPT_TERMS:d}")


def _encoded(state: State) -> str:
    return json.dumps(
        {
            "format": FORMAT,
            "offsets": {str(partition): offset for partition, offset in state.offsets.items()},
            "log": state.log,
            "as_of_s": state.as_of_s,
            "tables": [list(key) for key in state.tables],
            "keep_s": state.keep_s,
        }
    )


def _decoded(text: str, moment: int) -> State:
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise Unsupported(
                f"the memory in Milvus has format {found['format']}; this release reads {FORMAT}"
            )
        return State(
            moment,
            {int(partition): int(offset) for partition, offset in found["offsets"].items()},
            str(found["log"]),
            float(found["as_of_s"]),
            tuple(TableKey(str(space), str(encoder), int(dim)) for space, encoder, dim in found["tables"]),
            float(found["keep_s"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Corrupt(f"the state of the memory in Milvus cannot be read: {error!r}") from error
