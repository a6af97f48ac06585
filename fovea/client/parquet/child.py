"""The process that reads a Parquet file for another: see `guarded`."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import BinaryIO, Final

from fovea.client.errors import FoveaError
from fovea.client.memory import VectorColumn
from fovea.client.parquet import frames
from fovea.client.parquet.reading import FileReader

_MEMORY_BYTES: Final = 1 << 30


def main(path: str, vectors: str, out: BinaryIO) -> None:
    """Tell what is in the file."""
    try:
        file = FileReader(Path(path), VectorColumn(**json.loads(vectors)) if vectors else None)
        frames.write_rows(out, file.rows)
        for row in file:
            frames.write_row(out, row)
        frames.write_end(out)
    except FoveaError as error:
        frames.write_error(out, error)
    out.flush()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # not every system can
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


if __name__ == "__main__":
    _limit_memory()
    with contextlib.suppress(BrokenPipeError):  # nobody wants more
        main(sys.argv[1], sys.argv[2], sys.stdout.buffer)
