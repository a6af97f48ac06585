"""Pictures as encoders see them that do not know their names: fovea-global's recipe, solved without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from models.bridge.export import class_names
from models.data import splits
from models.data.cache import cache_folder
from models.vision.global_encoder.data import Picture
from models.vision.global_encoder.export import load_reading, modules
from models.vision.global_encoder.fitting import gated, unit
from models.vision.global_encoder.network import PARTS
from models.vision.global_encoder.readings import Readings, readings
from models.vision.global_encoder.recipe import Classifier, Fitted, Lesson, Recipe, fit, reduce_all
from models.vision.global_encoder.train import centred_texts, reader

FOLDS: Final = 3
_SEED: Final = 11
_BLOCK: Final = 256


def seen(learned: Sequence[Picture], own: Sequence[Picture]) -> dict[str, np.ndarray]:
    """Return `fold`, `embeddings` and `names` of pictures, each by the encoder solved without its name.

    Random views are read of emoji without skin tone alone: the discriminant learns from no others.

    Args:
        learned: What fovea-global learns from.
        own: Those of them that are asked for.
    """
    every = [one if one.thing and not one.tone else replace(one, views=0) for one in learned]
    fold = _folds(own)
    named, read = reader(1)
    found = readings(every, read, cache_folder().parent / "training" / f"global-readings-{named}")
    weight = load_reading().trunk.get_parameter("_fc.weight").detach().numpy()
    place = {one.id: number for number, one in enumerate(every)}
    rows = np.array([place[one.id] for one in own])  # pictures as they are come first
    visual, names = [np.empty(0)] * len(own), [np.empty(0)] * len(own)
    for number in range(FOLDS):
        ids = frozenset(one.id for one in _without(every, own, fold, number))
        lesson = Lesson(every, found, PARTS, ids, Classifier(class_names(), weight))
        fitted = fit(lesson, centred_texts, Recipe())
        mine = np.flatnonzero(fold == number)
        for each, vector, said in zip(
            mine.tolist(), *_spaces(lesson, fitted, found, rows[mine]), strict=True
        ):
            visual[each], names[each] = vector, said
        print(f"solved without fold {number}", flush=True)  # noqa: T201  (minutes)
    return {
        "fold": fold,
        "embeddings": np.stack(visual).astype(np.float16),
        "names": np.stack(names).astype(np.float16),
    }


def _folds(own: Sequence[Picture]) -> Int[np.ndarray, "n"]:
    """Return which encoder is solved without the name of each picture."""
    things = sorted({one.thing for one in own})
    order = np.random.default_rng(_SEED).permutation(len(things))
    number = {things[place]: turn % FOLDS for turn, place in enumerate(order.tolist())}
    return np.array([number[one.thing] for one in own])


def _without(
    learned: Sequence[Picture], own: Sequence[Picture], fold: Int[np.ndarray, "n"], number: int
) -> Iterator[Picture]:
    """Yield what an encoder may learn from that does not know a fold's names, nor captions with them."""
    gone = {one.thing for one, where in zip(own, fold, strict=True) if where == number}
    labels = {splits.words(one.label) for one in own if one.thing in gone and not one.tone}
    for one in learned:
        said = splits.words(one.label)
        if one.thing not in gone and (one.thing or not any(name <= said for name in labels if name)):
            yield one


def _spaces(
    lesson: Lesson, fitted: Fitted, found: Readings, rows: Int[np.ndarray, "n"]
) -> tuple[Float32[np.ndarray, "n visual"], Float32[np.ndarray, "n name"]]:
    recipe = Recipe()
    wanted = np.zeros(len(found.rows), np.bool_)
    wanted[rows] = True
    order = np.argsort(np.argsort(rows))  # back from the order of the rows
    thing = unit(fitted.discriminant(reduce_all(lesson, fitted.reductions, wanted)))[order]
    read = found.rows[rows].astype(np.float32)
    tone = fitted.tone(read[:, lesson.parts()["colours"]])
    visual = unit(np.concatenate([thing, recipe.tone_weight * gated(tone)], 1))
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
