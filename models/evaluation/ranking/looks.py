"""What comparisons need of each picture, computed once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from models.data.manifest import Manifest
from models.evaluation.encoders import NAMES, VISUAL, Encoder, Model
from models.evaluation.features import Features
from models.evaluation.ranking.questions import Picture
from models.evaluation.subjects import crops_of
from models.ranking.pairs.looks import FIELDS, Look, look
from models.vision.preparation import DEFAULTS

_PART: Final = 64
_TILES: Final = 4


class Looks:
    """Looks of pictures.

    Args:
        encoder: Gives embeddings and names of crops.
        local: Gives patches of tiles.
        cache: Folder for what was seen.
    """

    def __init__(self, encoder: Encoder, local: Model, cache: Path) -> None:
        self._encoder = encoder
        self._local = local
        said = f"looks {FIELDS} {encoder.digest} {local.digest} {DEFAULTS!r}"
        self._features = Features(cache / hashlib.sha256(said.encode()).hexdigest()[:32])

    def of(self, pictures: Sequence[Picture]) -> list[Look]:
        """Return the look of each picture; those that are not kept are computed."""
        digests = [each.row.sha256 for each in pictures]
        missing = [pictures[place] for place in self._features.missing(digests)]
        for start in range(0, len(missing), _PART):
            part = missing[start : start + _PART]
            self._features.add([each.row.sha256 for each in part], self._seen(list(crops(part))))
        if not digests:
            return []
        found = self._features.of(digests)
        return [Look(*(found[name][place] for name in FIELDS)) for place in range(len(digests))]

    def _seen(self, some: Sequence[UInt8[np.ndarray, "224 224 3"]]) -> dict[str, np.ndarray]:
        seen = self._encoder.see(np.stack(some))
        looks = [
            look(crop, embeddings=embeddings, names=names, patches=patches)
            for crop, embeddings, names, patches in zip(
                some, seen[VISUAL], seen[NAMES], self._patches(some), strict=True
            )
        ]
        return {name: np.stack([getattr(each, name) for each in looks]) for name in FIELDS}

    def _patches(
        self, some: Sequence[UInt8[np.ndarray, "224 224 3"]]
    ) -> Iterator[Float32[np.ndarray, "28 28 c"]]:
        for start in range(0, len(some), _TILES):
            yield from self._local.run({"tiles": np.stack(some[start : start + _TILES])})["patches"]


def crops(pictures: Iterable[Picture]) -> Iterator[UInt8[np.ndarray, "224 224 3"]]:
    """Yield whole pictures as the encoders get them from the services."""
    for each in pictures:
        yield crops_of(Manifest(each.set.name, each.set.folder, (each.row,)))[0]
