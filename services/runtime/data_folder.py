"""The folder that a process keeps its data in: it knows its version, and one process at a time writes there.

version.json   what layout the data has
lock           held as long as a process uses the folder
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.kernel.errors import Conflict, Corrupt, Unavailable, Unsupported

VERSION: Final = 1
"""The layout that this release writes."""

Upgrade = Callable[[Path], None]
"""Brings a folder from one version to the next. It may be cut off and run again, so it must be repeatable."""

UPGRADES: Final[Mapping[int, Upgrade]] = MappingProxyType({})
"""From each older version to the next; version 1 is the first."""

_LOG = logging.getLogger(__name__)
_MARKER: Final = "version.json"
_LOCK: Final = "lock"


class DataFolder:
    """An opened folder; close it to let another process in.

    Args:
        path: Made, with its parents, if it is not there.
        version: The layout to have in the end.
        upgrades: How to get there from older ones.

    Raises:
        Conflict: Another process uses it, or it holds something else than Fovea's data.
        Unsupported: A newer Fovea wrote it, or no upgrade leads from its version.
        Corrupt: Its version cannot be read.
        Unavailable: It cannot be made or written.
    """

    def __init__(
        self, path: Path, *, version: int = VERSION, upgrades: Mapping[int, Upgrade] = UPGRADES
    ) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_strangers(self.path)
            self._lock = _locked(self.path)
        except OSError as error:
            raise Unavailable(f"cannot use the data folder {self.path}: {error}") from error
        try:
            self._bring_to(version, upgrades)
        except BaseException:
            self.close()
            raise

    def folder(self, name: str) -> Path:
        """Return a folder inside, which is made if it is not there."""
        inside = self.path / name
        inside.mkdir(mode=0o700, exist_ok=True)
        return inside

    def close(self) -> None:
        """Let another process in."""
        os.close(self._lock)

    def __enter__(self) -> DataFolder:  # noqa: PYI034  (beartype cannot check Self)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bring_to(self, version: int, upgrades: Mapping[int, Upgrade]) -> None:
        found = _version(self.path)
        if found is None:
            _write_version(self.path, version)
            return
        if found > version:
            raise Unsupported(
                f"the data folder {self.path} has version {found}, written by a newer Fovea; "
                f"this one knows versions up to {version}. Install the newer release, or use another folder",
                reason="DATA_FOLDER_TOO_NEW",
            )
        for step in range(found, version):
            self._upgrade(step, upgrades)

    def _upgrade(self, step: int, upgrades: Mapping[int, Upgrade]) -> None:
        upgrade = upgrades.get(step)
        if upgrade is None:
            raise Unsupported(
                f"the data folder {self.path} has version {step}, which this Fovea cannot upgrade; "
                "start the release in between once, or use another folder",
                reason="DATA_FOLDER_TOO_OLD",
            )
        _LOG.info("upgrading the data folder from version %d to %d", step, step + 1)
        upgrade(self.path)
        _write_version(self.path, step + 1)


def _locked(folder: Path) -> int:
    """Return the descriptor of the lock, which the system lets go when the process ends, however it ends."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise Conflict(
            f"the data folder {folder} is in use by process {owner}; stop it, or use another folder",
            reason="DATA_FOLDER_IN_USE",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def _version(folder: Path) -> int | None:
    """Return the folder's version, or None if it has none yet."""
    try:
        marker = json.loads((folder / _MARKER).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Corrupt(f"cannot read {folder / _MARKER}: {error}") from error
    version = marker.get("version") if isinstance(marker, dict) else None
    if not isinstance(version, int) or version < 1:
        raise Corrupt(f"{folder / _MARKER} names no version")
    return version


def _refuse_strangers(folder: Path) -> None:
    """Write nothing between somebody's own files."""
    if (folder / _MARKER).exists():
        return
    strangers = sorted(
        entry.name for entry in folder.iterdir() if not entry.name.startswith((_LOCK, _MARKER))
    )
    if strangers:
        raise Conflict(
            f"{folder} is no data folder of Fovea (it holds {strangers[0]!r}, and no {_MARKER}); "
            "use an empty one",
            reason="NOT_A_DATA_FOLDER",
        )


def _write_version(folder: Path, version: int) -> None:
    """Replace the marker as a whole, so that a crash leaves the old one or the new one."""
    temporary = folder / f"{_MARKER}.new"
    with temporary.open("w") as file:
        json.dump({"version": version}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / _MARKER)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
