"""A replica's own disk: the segments that it has, and the catalogue that says which of them are its memory.

<folder>/catalogue.json       the memory at some moment; the log has what came later
<folder>/segments/<digest>/   a segment; one that is being written or fetched has a name with a dot
<folder>/scratch/             what is needed for a moment

It is a cache: whoever loses it fetches a snapshot, or reads the whole log again.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.kernel.errors import Unavailable
from services.retrieval.adapters.memory.catalogue import Catalogue, CatalogueFile

_LOG = logging.getLogger(__name__)


class LocalMemory:
    """Keeps the segments of the newest catalogue, and those that somebody still reads, and no others.

    Args:
        folder: Used by this process alone. Made if it is not there. Raises Unavailable.
    """

    def __init__(self, folder: Path) -> None:
        self.segments = folder / "segments"
        self.scratch = folder / "scratch"
        self.catalogue = CatalogueFile(folder / "catalogue.json")
        self._pins: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._current: Catalogue | None = None
        try:
            self.segments.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(mode=0o700)
        except OSError as error:
            raise Unavailable(f"cannot make {self.segments}: {error}") from error

    @property
    def current(self) -> Catalogue | None:
        """The catalogue that was kept last; None before the first."""
        return self._current

    def names(self) -> frozenset[str]:
        """Return what there is, also what is half-written. Raises Unavailable."""
        try:
            return frozenset(path.name for path in self.segments.iterdir())
        except OSError as error:
            raise Unavailable(f"cannot list {self.segments}: {error}") from error

    def keep(self, catalogue: Catalogue, *, before: Collection[str]) -> None:
        """Write a catalogue and remove the segments that neither it nor anybody who reads them needs.

        Args:
            catalogue: In force from now on.
            before: What there was before the catalogue's moment: what came since may be part of the memory
                though the catalogue does not name it.

        Raises:
            Unavailable: It cannot be written; the one before is in force.
        """
        self.catalogue.write(catalogue)
        with self._lock:
            self._current = catalogue
            unused = set(before) - catalogue.digests - set(self._pins)
        self.remove(unused)

    def adopt(self, catalogue: Catalogue | None) -> None:
        """Begin with a catalogue that was read, or with none; what else lies there goes."""
        self._current = catalogue
        self.remove(self.names() - (catalogue.digests if catalogue else frozenset()))

    @contextmanager
    def pinned(self) -> Iterator[Catalogue | None]:
        """Give the newest catalogue; its segments stay until the end."""
        with self._lock:
            catalogue = self._current
            digests = catalogue.digests if catalogue else frozenset()
            self._pins.update(digests)
        try:
            yield catalogue
        finally:
            self._unpin(digests)

    @contextmanager
    def pinning(self, digests: Collection[str]) -> Iterator[None]:
        """Have these segments stay until the end, as far as they are still there."""
        with self._lock:
            self._pins.update(digests)
        try:
            yield
        finally:
            self._unpin(digests)

    def _unpin(self, digests: Collection[str]) -> None:
        with self._lock:
            self._pins -= Counter(digests)

    def remove(self, names: Collection[str]) -> None:
        """Remove what is no longer needed; what cannot be removed is tried again another time."""
        for name in names:
            path = self.segments / name
            try:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except OSError:
                _LOG.warning("cannot remove %s", path, exc_info=True)
