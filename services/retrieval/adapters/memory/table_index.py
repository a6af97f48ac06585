"""What an index over one table of a segment can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64

from services.retrieval.adapters.memory.block import TableView


@dataclass(frozen=True, eq=False)
class Allowed:
    """Which slots of a segment may answer, and for each table what an index made of that."""

    slots: Bool[np.ndarray, "slot"]
    count: int
    made: dict[Any, Any] = field(default_factory=dict, repr=False)

    def rows(self, table: TableView) -> Int64[np.ndarray, "row"]:
        """Return the rows of a table that may answer."""
        return np.flatnonzero(self.slots[table.slots])


@runtime_checkable
class TableIndex(Protocol):
    """Proposes the rows of a table that are probably nearest; threads may share it, and it never changes."""

    @property
    def kind(self) -> str:
        """Its name, for operators."""
        ...

    @property
    def gathered(self) -> int:
        """Up to how many allowed rows it is cheaper to look at them all."""
        ...

    def shortlist(
        self, vectors: Float32[np.ndarray, "query dim"], *, most: int, allowed: Allowed | None
    ) -> Int64[np.ndarray, "query row"]:
        """Return rows likely to hold the `most` nearest to each query; -1 where there is none."""
        ...
