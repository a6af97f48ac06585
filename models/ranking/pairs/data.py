"""What fovea-pairs learns from: drawings as encoders see them that do not know their names, and surfaces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Float16, Float32, Int, UInt8
from torch import Tensor

from models.data.cache import cache_folder
from models.data.sets.emoji import MAIN_ARTISTS
from models.export import GRAPH, STORE
from models.files import digest
from models.multimodal.pictures import lot
from models.ranking.pairs.lists import Known
from models.ranking.pairs.seeing import looks, maps
from models.ranking.pairs.surfaces import APART, CLASSES, PICTURES, SURFACES, families, surfaces
from models.ranking.pairs.unaware.data import seen
from models.vision.global_encoder.data import Picture, learned, pictures
from models.vision.global_encoder.data import digest as of_pictures
from models.vision.global_encoder.readings import crop_of
from models.vision.global_encoder.recipe import Recipe

VIEWS: Final = 1
_RULES: Final = 2
"""Of what is kept of a crop: another number, and it is computed again."""


@dataclass(frozen=True, eq=False)
class Lessons:
    """Pictures to learn from.

    Attributes:
        taught: What is known of each.
        names: Each among names, by the encoder that does not know its name.
        patches: As it is, and in random views.
        odd: Likewise.
        pixels: Likewise, as bytes.
    """

    taught: Known
    names: Float16[np.ndarray, "n name"]
    patches: Float16[np.ndarray, "view n 7 7 128"]
    odd: Float16[np.ndarray, "view n odd"]
    pixels: UInt8[np.ndarray, "view n 28 28 3"]

    def statistics(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return mean and deviation of the patches of drawings without skin tone, and of all that is odd."""
        plain = (self.taught.tone == "") & ~self.taught.apart
        patches = self.patches[0][plain & (self.taught.surface == "")].astype(np.float32)
        odd = self.odd[0][plain].astype(np.float32)
        found = patches.mean((0, 1, 2)), patches.std((0, 1, 2)), odd.mean(0), odd.std(0) + 1e-3
        mean, deviation, usual, spread = map(torch.from_numpy, found)
        return mean, deviation, usual, spread

    def seen(
        self, places: Int[np.ndarray, "b"], drawn: np.random.Generator | None, viewed: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return patches, what is odd and pixels of pictures, so many of them in a random view."""
        view = np.zeros(len(places), np.int64)
        if drawn is not None:
            other = drawn.integers(1, VIEWS + 1, len(places))
            view = np.where(drawn.random(len(places)) < viewed, other, 0)
        patches, odd = (
            torch.from_numpy(each[view, places].astype(np.float32)) for each in (self.patches, self.odd)
        )
        return patches, odd, 1 - torch.from_numpy(self.pixels[view, places].astype(np.float32)) / 255

    def plain(self, field: str, places: Int[np.ndarray, "b"]) -> Float32[np.ndarray, "b ..."]:
        """Return what pictures as they are have in a field of a look."""
        spaces = {"embeddings": self.taught.vectors, "names": self.names}
        if field in spaces:
            return spaces[field][places].astype(np.float32)
        maps = {"patches": self.patches, "odd": self.odd, "pixels": self.pixels}
        found = maps[field][0, places].astype(np.float32)
        return 1 - found / np.float32(255) if field == "pixels" else found

    def cosines(self, one: Int[np.ndarray, "p"], other: Int[np.ndarray, "p"]) -> Tensor:
        """Return the cosines of pairs among pictures and among names, (p, 2)."""
        spaces = (self.taught.vectors, self.names)
        found = [(rows[one].astype(np.float32) * rows[other]).sum(1) for rows in spaces]
        return torch.from_numpy(np.stack(found, 1).astype(np.float32))


def lessons() -> Lessons:
    """Return what is learned from, computed once and kept in the cache."""
    every = pictures()
    taught = learned(every, None)
    own = [one for one in taught if one.thing and (not one.tone or one.artist in MAIN_ARTISTS)]
    of_local = digest(STORE / "fovea-local" / "1" / GRAPH)
    spaces = _kept(f"seen {Recipe().digest} {of_pictures(own)}", lambda: seen(taught, own))
    said = f"{_RULES} {of_local} {of_pictures(own)}"
    drawn = [_kept("drawings " + said, lambda: maps(crop_of(one, 0) for one in own))]
    drawn += [
        _kept(f"view{view} {said}", partial(_viewed, own, view, drawn[0])) for view in range(1, VIEWS + 1)
    ]
    cloth = _kept(f"surfaces {_RULES} {of_local} {SURFACES} {CLASSES} {PICTURES}", _surfaces)
    none = np.full(len(cloth["thing"]), "")
    apart = np.isin([one.thing for one in own], list(lot(every).apart))
    return Lessons(
        Known(
            thing=np.concatenate([[one.thing for one in own], cloth["thing"]]),
            artist=np.concatenate([[one.artist for one in own], none]),
            tone=np.concatenate([[one.tone for one in own], none]),
            surface=np.concatenate([np.full(len(own), ""), cloth["surface"]]),
            fold=np.concatenate([spaces["fold"], np.full(len(none), -1)]),
            apart=np.concatenate([apart, cloth["apart"]]),
            vectors=np.concatenate([spaces["embeddings"], cloth["embeddings"]]),
        ),
        np.concatenate([spaces["names"], cloth["names"]]),
        *(
            np.stack([np.concatenate([view[name], cloth[name]]) for view in drawn])
            for name in ("patches", "odd", "pixels")
        ),
    )


def _kept(said: str, compute: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    key = hashlib.sha256(said.encode()).hexdigest()[:12]
    path = cache_folder().parent / "training" / f"pairs-{said.partition(' ')[0]}-{key}.npz"
    if not path.is_file():
        unfinished = path.with_suffix(".part.npz")
        np.savez(unfinished, allow_pickle=False, **compute())
        unfinished.rename(path)
    with np.load(path) as saved:
        return {name: saved[name] for name in saved.files}


def _viewed(own: Sequence[Picture], view: int, plain: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return maps of a random view of each drawing; with a skin tone as it is."""
    bases = np.array([not one.tone for one in own])
    found = {name: each.copy() for name, each in plain.items()}
    other = maps(crop_of(one, view) for one in own if not one.tone)
    for name, each in found.items():
        each[bases] = other[name]
    return found


def _surfaces() -> dict[str, np.ndarray]:
    """Return looks of surfaces' pictures, and what is known of them."""
    found = looks(crop for each in surfaces() for own in each.classes for crop in own)
    number = np.repeat(np.arange(SURFACES), CLASSES * PICTURES)
    kind = np.tile(np.repeat(np.arange(CLASSES), PICTURES), SURFACES)
    return found | {
        "surface": np.array([f"{each:03}" for each in number.tolist()]),
        "thing": np.array(
            [f"{each:03} {own}" for each, own in zip(number.tolist(), kind.tolist(), strict=True)]
        ),
        "apart": np.array([each in APART for each in families()])[number],
    }
