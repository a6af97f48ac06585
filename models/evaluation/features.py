"""What an encoder saw once, kept by the digest of each picture."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

_DIGESTS: Final = "sha256"


class Features:
    """Embeddings of pictures in a folder of parts; nothing is computed twice, not even after a kill.

    Args:
        folder: Of one encoder and one preparation: its name holds the digest of both.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, dict[str, np.ndarray]] = {}
        for part in sorted(folder.glob("*.npz")):
            with np.load(part) as found:
                arrays = {key: found[key] for key in found.files}
            self._keep(arrays.pop(_DIGESTS).tolist(), arrays)

    def missing(self, digests: Sequence[str]) -> list[int]:
        """Return the places of the pictures that were not seen yet, each picture once."""
        first = {digest: place for place, digest in reversed(list(enumerate(digests)))}
        return sorted(place for digest, place in first.items() if digest not in self._seen)

    def add(self, digests: Sequence[str], spaces: dict[str, np.ndarray]) -> None:
        """Keep a part: one row a picture in each space."""
        self._folder.mkdir(parents=True, exist_ok=True)
        named = hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]
        half_written = self._folder / f"{named}.{os.getpid()}.part"
        with half_written.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_DIGESTS: np.array(digests)}, **spaces)
        half_written.rename(self._folder / f"{named}.npz")
        self._keep(digests, spaces)

    def of(self, digests: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the embeddings of pictures that all were seen, in their order."""
        rows = [self._seen[digest] for digest in digests]
        return {space: np.stack([row[space] for row in rows]) for space in rows[0]}

    def _keep(self, digests: Sequence[str], spaces: dict[str, np.ndarray]) -> None:
        for row, digest in enumerate(digests):
            self._seen[digest] = {space: found[row] for space, found in spaces.items()}
