"""Where data sets lie: outside the work tree."""

from __future__ import annotations

import os
from pathlib import Path

from models.data.manifest import MANIFEST, DataError, Manifest, read


class NotFetched(DataError):
    """A set is not in the cache; `make data` puts it there."""


def cache_folder() -> Path:
    """Return where sets lie: FOVEA_CACHE or ~/.cache/fovea, and there `data`."""
    return Path(os.environ.get("FOVEA_CACHE") or Path.home() / ".cache" / "fovea") / "data"


def load(name: str, cache: Path | None = None) -> Manifest:
    """Return a set from the cache, with every picture's digest checked.

    Raises:
        NotFetched: If it is not there.
        DataError: If it is damaged.
    """
    folder = (cache or cache_folder()) / name
    if not (folder / MANIFEST).is_file():
        raise NotFetched(f"the data set {name} is not in {folder}: `make data` fetches it")
    return read(folder)
