"""One segment: a folder of files that never change, mapped into memory.

manifest.json     what is in it; the folder is named by its SHA-256
columns.bin       ids, labels and attributes as arrays
exemplars.bin     each exemplar without its vectors, in order of id: a protobuf `Exemplar`
vectors-0.f32     the vectors of each table, in order of id
index-0.*         beside them, not part of the segment: an index over a table, which may be replaced
"""

from __future__ import annotations

from pathlib import Path

from services.retrieval.adapters.memory.manifest import Manifest


class Segment:
    """An opened segment; threads may share it.

    Attributes:
        folder: Its path; the last part is its digest.
        manifest: What it says of itself.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def open(cls, folder: Path, *, thorough: bool = False) -> Segment:
        """Open a segment whose manifest and file sizes agree; `thorough` reads all bytes and checks digests.

        Raises:
            Corrupt: It is not what its manifest says, or the manifest is not what the folder's name says.
            Unsupported: Another release wrote it.
            Unavailable: A file cannot be read.
        """
        raise NotImplementedError

    def indexes(self) -> list[Path]:
        """Return the files of its indexes: worth keeping with it, since they take long to build."""
        raise NotImplementedError
