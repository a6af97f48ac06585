"""Puts large objects and prints their keys, until somebody kills it."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from services.runtime.object_store.folder import FolderStore

SIZE_BYTES = 300_000


def content(key: str) -> bytes:
    return (key.encode() * SIZE_BYTES)[:SIZE_BYTES]


def main() -> None:
    store = FolderStore(Path(sys.argv[1]))
    for number in itertools.count():
        key = f"{sys.argv[2]}/{number}"
        store.put(key, content(key))
        os.write(1, f"{key}\n".encode())


if __name__ == "__main__":
    main()
