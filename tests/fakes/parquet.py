"""Small Parquet files, as other tools write them, and what is read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fovea.client import VectorColumn
from fovea.client.parquet.reading import FileReader

OURS = VectorColumn("visual", "colours@1")


def table(**columns: Any) -> Any:
    """Return a table of two rows; a column that is None is left out."""
    given: dict[str, Any] = {"label": ["wren", "robin"], "vector": [[0.6, 0.8], [1.0, 0.0]]} | columns
    return pa.table({name: column for name, column in given.items() if column is not None})


def file(folder: Path, written: Any, **how: Any) -> Path:
    """Write a table down."""
    pq.write_table(written, folder / "ours.parquet", **how)
    return folder / "ours.parquet"


def errors(path: Path, vectors: VectorColumn | None = OURS) -> list[str]:
    """Return what is wrong with each row; empty for a row that is good."""
    return [row.error.message if row.error else "" for row in FileReader(path, vectors)]
