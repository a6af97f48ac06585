"""A Parquet file that anybody may have written, read at arm's length.

A few kilobytes of Parquet can be made to become gigabytes in memory, and there are damaged files that end the
process in which pyarrow reads them. So another process reads, with bounded memory, and may die of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final, Self

from fovea.client.errors import InvalidInput
from fovea.client.memory import VectorColumn
from fovea.client.parquet.frames import Row, read_frames

_FRUGAL: Final = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""The other pools of pyarrow reserve a gigabyte before they hold anything."""


class ExemplarFile:
    """The rows of a file, once; close it, or use `with`.

    Args:
        path: The file.
        vectors: Who made the vectors, if the file does not say so itself.

    Raises:
        OSError: There is no such file, or it may not be read.
        InvalidInput: It is no Parquet file, or has other columns than it should; the message says which.
        Unsupported: A newer release wrote it.
    """

    def __init__(self, path: Path, vectors: VectorColumn | None = None) -> None:
        with path.open("rb"):  # says well why a file cannot be read
            self._path = path
        told = json.dumps(asdict(vectors)) if vectors else ""
        # -P: what lies in the folder that one works in is no part of Fovea
        self._process = subprocess.Popen(  # noqa: S603  (no shell, and our own module)
            [sys.executable, "-P", "-m", "fovea.client.parquet.child", str(path.absolute()), told],
            env=os.environ | _FRUGAL,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._frames = self._told(self._process.stdout)
        try:
            self.rows = next(frame for frame in self._frames if isinstance(frame, int))  # the first
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in order. Raises InvalidInput where the file is damaged."""
        return (frame for frame in self._frames if isinstance(frame, Row))

    def close(self) -> None:
        """Read nothing more."""
        self._process.kill()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()

    def _told(self, source: IO[bytes] | None) -> Iterator[int | Row]:
        row = 0
        try:
            for frame in read_frames(source):  # type: ignore[arg-type]  # a pipe, since one was asked for
                yield frame
                row += isinstance(frame, Row)
        except EOFError as error:
            raise InvalidInput(
                f"{self._path}: what is behind row {row} cannot be read, the file is damaged or made to fill "
                f"the memory (its reader ended with {self._process.wait()})",
                reason="PARQUET_DAMAGED",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
