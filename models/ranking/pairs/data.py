"""What fovea-pairs learns from: pictures as encoders see them that do not know their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
import torch
from jaxtyping import Float, Float16, Float32, Int, UInt8
from torch import Tensor

from models.bridge.export import class_names
from models.data import splits
from models.data.cache import cache_folder
from models.data.sets.emoji import MAIN_ARTISTS
from models.export import GRAPH, STORE
from models.multimodal.pictures import lot
from models.ranking.pairs.lists import Known, is_apart
from models.ranking.pairs.looks import CELLS, PIXELS, averaged
from models.vision.global_encoder.data import Picture, learned, pictures
from models.vision.global_encoder.export import load_reading, modules
from models.vision.global_encoder.fitting import unit
from models.vision.global_encoder.network import PARTS
from models.vision.global_encoder.readings import Readings, crop_of, readings
from models.vision.global_encoder.recipe import Classifier, Fitted, Lesson, Recipe, fit, reduce_all
from models.vision.global_encoder.train import centred_texts, reader

FOLDS: Final = 3
VIEWS: Final = 2
_SEED: Final = 11
_HALF_TONE: Final = 3.5
_BLOCK: Final = 256
_TILES: Final = 8


@dataclass(frozen=True, eq=False)
class Lessons:
    """Pictures to learn from.

    Attributes:
        taught: What is known of each.
        names: Each among names, by the encoder that does not know its name.
        patches: As it is, and in random views.
        pixels: Likewise, as bytes.
    """

    taught: Known
    names: Float16[np.ndarray, "n name"]
    patches: Float16[np.ndarray, "view n 7 7 128"]
    pixels: UInt8[np.ndarray, "view n 28 28 3"]

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the patches of pictures without skin tone."""
        plain = self.patches[0][self.taught.tone == ""].astype(np.float32)
        return torch.from_numpy(plain.mean((0, 1, 2))), torch.from_numpy(plain.std((0, 1, 2)))

    def seen(
        self, places: Int[np.ndarray, "b"], drawn: np.random.Generator | None, viewed: float
    ) -> tuple[Tensor, Tensor]:
        """Return patches and pixels of pictures, so many of them in a random view."""
        view = np.zeros(len(places), np.int64)
        if drawn is not None:
            other = drawn.integers(1, VIEWS + 1, len(places))
            view = np.where(drawn.random(len(places)) < viewed, other, 0)
        patches = torch.from_numpy(self.patches[view, places].astype(np.float32))
        return patches, 1 - torch.from_numpy(self.pixels[view, places].astype(np.float32)) / 255

    def cosines(self, one: Int[np.ndarray, "p"], other: Int[np.ndarray, "p"]) -> Tensor:
        """Return the cosines of pairs among pictures and among names, (p, 2)."""
        spaces = (self.taught.vectors, self.names)
        found = [(rows[one].astype(np.float32) * rows[other]).sum(1) for rows in spaces]
        return torch.from_numpy(np.stack(found, 1).astype(np.float32))


def lessons() -> Lessons:
    """Return what is learned from, computed once and kept in the cache."""
    every = pictures()
    own = [one for one in learned(every, None) if one.thing and (not one.tone or one.artist in MAIN_ARTISTS)]
    path = cache_folder().parent / "training" / f"pairs-{Recipe().digest}.npz"
    if not path.is_file():
        np.savez(path.with_suffix(".part.npz"), allow_pickle=False, **_computed(every, own))
        path.with_suffix(".part.npz").rename(path)
    with np.load(path) as saved:
        found = {key: saved[key] for key in saved.files}
    known = Known(
        np.array([one.thing for one in own]),
        np.array([one.artist for one in own]),
        np.array([one.tone for one in own]),
        found["fold"],
        found["embeddings"],
    )
    taught = np.where(is_apart(known, lot(every).apart), -1, known.fold)
    return Lessons(replace(known, fold=taught), found["names"], found["patches"], found["pixels"])


def _computed(every: Sequence[Picture], own: Sequence[Picture]) -> dict[str, np.ndarray]:
    fold = _folds(own)
    embeddings, names = _seen(every, own, fold)
    maps = [_maps(own, view) for view in range(VIEWS + 1)]
    return {
        "fold": fold,
        "embeddings": embeddings,
        "names": names,
        "patches": np.stack([patches for patches, _ in maps]),
        "pixels": np.stack([pixels for _, pixels in maps]),
    }


def _folds(own: Sequence[Picture]) -> Int[np.ndarray, "n"]:
    """Return which encoder is solved without the name of each picture."""
    things = sorted({one.thing for one in own})
    order = np.random.default_rng(_SEED).permutation(len(things))
    number = {things[place]: turn % FOLDS for turn, place in enumerate(order.tolist())}
    return np.array([number[one.thing] for one in own])


def _seen(
    every: Sequence[Picture], own: Sequence[Picture], fold: Int[np.ndarray, "n"]
) -> tuple[Float16[np.ndarray, "n visual"], Float16[np.ndarray, "n name"]]:
    """Return each picture as the encoder sees it that was solved without its name."""
    named, read = reader(1)
    seen = readings(every, read, cache_folder().parent / "training" / f"global-readings-{named}")
    weight = load_reading().trunk.get_parameter("_fc.weight").detach().numpy()
    place = {one.id: number for number, one in enumerate(every)}
    rows = np.array([place[one.id] for one in own])  # pictures as they are come first
    embeddings, names = [np.empty(0)] * len(own), [np.empty(0)] * len(own)
    for number in range(FOLDS):
        ids = frozenset(one.id for one in _without(every, own, fold, number))
        lesson = Lesson(every, seen, PARTS, ids, Classifier(class_names(), weight))
        fitted = fit(lesson, centred_texts, Recipe())
        mine = np.flatnonzero(fold == number)
        visual, name = _spaces(lesson, fitted, seen, rows[mine])
        for each, vector, said in zip(mine.tolist(), visual, name, strict=True):
            embeddings[each], names[each] = vector, said
    return np.stack(embeddings).astype(np.float16), np.stack(names).astype(np.float16)


def _without(
    every: Sequence[Picture], own: Sequence[Picture], fold: Int[np.ndarray, "n"], number: int
) -> Iterator[Picture]:
    """Yield what an encoder may learn from that does not know a fold's names, nor captions with them."""
    gone = {one.thing for one, where in zip(own, fold, strict=True) if where == number}
    labels = {splits.words(one.label) for one in own if one.thing in gone and not one.tone}
    for one in learned(every, None):
        said = splits.words(one.label)
        if one.thing not in gone and (one.thing or not any(name <= said for name in labels if name)):
            yield one


def _spaces(
    lesson: Lesson, fitted: Fitted, seen: Readings, rows: Int[np.ndarray, "n"]
) -> tuple[Float32[np.ndarray, "n visual"], Float32[np.ndarray, "n name"]]:
    recipe = Recipe()
    wanted = np.zeros(len(seen.rows), np.bool_)
    wanted[rows] = True
    order = np.argsort(np.argsort(rows))  # back from the order of the rows
    thing = unit(fitted.discriminant(reduce_all(lesson, fitted.reductions, wanted)))[order]
    read = seen.rows[rows].astype(np.float32)
    tone = fitted.tone(read[:, lesson.parts()["colours"]])
    squared = (tone**2).sum(1, keepdims=True)
    gated = tone * squared * np.sqrt(squared) / (squared**2 + _HALF_TONE**4)
    visual = unit(np.concatenate([thing, recipe.tone_weight * gated], 1))
    exemplar = unit(thing[:, : recipe.name_dimensions] - fitted.exemplars.mean)
    return visual, unit(np.concatenate([exemplar, _bridged(fitted, read[:, lesson.parts()["logits"]])], 1))


def _bridged(fitted: Fitted, logits: Float[np.ndarray, "n c"]) -> Float32[np.ndarray, "n text"]:
    images, _ = modules(fitted, Recipe())
    sure, scaled = Recipe().bridge_weights
    parts = []
    with torch.inference_mode():
        for start in range(0, len(logits), _BLOCK):
            some = torch.from_numpy(logits[start : start + _BLOCK])
            parts.append((sure * images.bridge.mean(some) + scaled * images.bridge(some)).numpy())
    return np.concatenate(parts)


def _maps(
    own: Sequence[Picture], view: int
) -> tuple[Float16[np.ndarray, "n 7 7 128"], UInt8[np.ndarray, "n 28 28 3"]]:
    """Return patches and pixels of each picture in a view; skin tones have none but the picture itself."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(_local(), options, providers=["CPUExecutionProvider"])
    patches, pixels = [], []
    for start in range(0, len(own), _TILES):
        some = own[start : start + _TILES]
        crops = np.stack([crop_of(one, 0 if one.tone else view) for one in some])
        for crop, found in zip(crops, session.run(["patches"], {"tiles": crops})[0], strict=True):
            patches.append(averaged(found, CELLS).astype(np.float16))
            pixels.append(averaged(crop.astype(np.float32), PIXELS).round().astype(np.uint8))
    return np.stack(patches), np.stack(pixels)


def _local() -> Path:
    return STORE / "fovea-local" / "1" / GRAPH
