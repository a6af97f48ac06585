"""What the detector is told by the encoders that ship: vectors of names and phrases, and of pictures alone.

Both lie in the space `name`. A vector is computed once and kept in the cache, under the digest of the
encoders that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8

from models.evaluation.encoders import NAMES, Encoder, trained
from models.vision.local_encoder.cutouts import TRAINING, on_white
from models.vision.preparation import prepare

DIMENSIONS: Final = 640
_BATCH: Final = 64
_SAVED_EVERY: Final = 32

Source = TypeVar("Source")


class Knowledge:
    """Reads texts and sees pictures with the encoders that ship, each once.

    Args:
        folder: Where vectors are kept.
        encoder: Who makes them; None: the encoders of the store, which are opened when they are needed.
    """

    def __init__(self, folder: Path = TRAINING, encoder: Encoder | None = None) -> None:
        self._encoder = trained() if encoder is None else encoder
        place = f"{self._encoder.digest[:12]}.npz"
        self._texts = _Kept(folder / f"detector-texts-{place}")
        self._pictures = _Kept(folder / f"detector-pictures-{place}")

    def read(self, texts: Sequence[str]) -> Float32[np.ndarray, "n 640"]:
        """Return the vectors of texts, unit-norm rows."""
        missing = {text: text for text in texts}
        return self._texts.all(texts, missing, lambda batch: self._encoder.read(list(batch)))

    def see(self, cutouts: Mapping[str, UInt8[np.ndarray, "_ _ 4"]]) -> Float32[np.ndarray, "n 640"]:
        """Return what the encoder of pictures takes cut-outs for: on white, as a service prepares them."""
        return self._pictures.all(list(cutouts), cutouts, self._seen)

    def _seen(self, cutouts: Sequence[UInt8[np.ndarray, "_ _ 4"]]) -> np.ndarray:
        return self._encoder.see(np.stack([prepare(on_white(rgba)) for rgba in cutouts]))[NAMES]


class _Kept:
    """Vectors by key in one file, which grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, np.ndarray] = {}
        if path.is_file():
            with np.load(path) as file:
                self._known = dict(
                    zip(file["keys"].tolist(), file["vectors"].astype(np.float32), strict=True)
                )

    def all(
        self,
        keys: Sequence[str],
        source: Mapping[str, Source],
        make: Callable[[Sequence[Source]], np.ndarray],
    ) -> Float32[np.ndarray, "n 640"]:
        missing = sorted({key for key in keys if key not in self._known}, key=lambda key: (len(key), key))
        for number, batch in enumerate(_batches(missing), start=1):
            made = make([source[key] for key in batch])
            self._known.update(zip(batch, made, strict=True))
            if number % _SAVED_EVERY == 0:
                self._save()
        if missing:
            self._save()
        return np.array([self._known[key] for key in keys], np.float32).reshape(-1, DIMENSIONS)

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".unfinished.npz")
        np.savez(unfinished, keys=np.array(list(self._known)), vectors=np.array(list(self._known.values())))
        unfinished.rename(self._path)


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]
