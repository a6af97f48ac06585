"""A package of files in memory, fetched without any client."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path


class FolderPackage:
    """Counts how often it is fetched; its archive is a zip.

    Args:
        files: Content by path.
        sha256: What it claims its archive to have; None: the truth.
    """

    def __init__(self, files: Mapping[str, bytes], *, sha256: str | None = None) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        self.archive = packed.getvalue()
        self.sha256 = sha256 or hashlib.sha256(self.archive).hexdigest()
        self.fetched = 0

    def fetch(self, folder: Path) -> None:
        """Write the archive."""
        self.fetched += 1
        (folder / "tiny.zip").write_bytes(self.archive)

    def unpack(self, archive: Path, folder: Path) -> None:
        """Unpack it."""
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
