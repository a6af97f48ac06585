"""What the global encoder would say of pictures of classes that it was not trained on.

The encoder that ships has learned the classes that the multimodal model learns from, so what it says of them
is surer than what it will say of a class that somebody teaches. A ranker trained on that would trust it too
much. So its discriminant is solved anew without each fold of classes, and what that says is brought into the
space of the one that ships by a linear map, which pictures of the other classes determine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float16, Float32, Int

from models.vision.global_encoder.fitting import Affine, codes, discriminant, gated, unit
from models.vision.global_encoder.recipe import Fitted, Recipe

_TEMPERATURE = 1.5
_TOP_CLASSES = 20
_STANDARDISED_SHARE = 1.5


@dataclass(frozen=True, eq=False)
class Features:
    """Views of pictures as the projector reads them.

    Attributes:
        embeddings: Among pictures, unit norm.
        names: Among names, unit norm.
        picture: Of which picture each view is.
        is_plain: Whether it is the picture as it is.
    """

    embeddings: Float16[np.ndarray, "view visual"]
    names: Float16[np.ndarray, "view name"]
    picture: Int[np.ndarray, "view"]
    is_plain: Bool[np.ndarray, "view"]

    def save(self, path: Path) -> None:
        """Write to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **vars(self))
        unfinished.rename(path)

    @classmethod
    def load(cls, path: Path) -> Features:
        """Return what was saved."""
        with np.load(path) as saved:
            return cls(**{key: saved[key] for key in saved.files})


@dataclass(frozen=True, eq=False)
class Parts:
    """What was read from views, as the encoder's last layers take it.

    Attributes:
        reduced: All parts reduced, side by side.
        colours: As they were read.
        logits: Of ImageNet's classifier.
    """

    reduced: Float32[np.ndarray, "view reduced"]
    colours: Float32[np.ndarray, "view colour"]
    logits: Float32[np.ndarray, "view class"]


def things_seen(
    parts: Parts,
    classes: np.ndarray,
    fold: Int[np.ndarray, "view"],
    fitted: Fitted,
    recipe: Recipe,
) -> Float32[np.ndarray, "view thing"]:
    """Return the unit discriminant of each view, solved without the classes of the view's fold.

    Args:
        parts: Of all views.
        classes: What each view shows; empty where it shows no class.
        fold: Of each view; -1 for what no discriminant was solved from.
        fitted: The encoder that ships.
        recipe: How it was made.
    """
    shipped = fitted.discriminant(parts.reduced)
    seen = unit(shipped).astype(np.float32)
    for number in sorted(set(fold.tolist()) - {-1}):
        kept = (fold != number) & (classes != "")
        solved = discriminant(
            parts.reduced[kept], codes(classes[kept]), count=recipe.dimensions, ridge=recipe.ridge
        )
        into = _between(solved(parts.reduced[kept]), shipped[kept])
        own = fold == number
        seen[own] = unit(into(solved(parts.reduced[own])))
    return seen


def embeddings(
    thing: Float32[np.ndarray, "view thing"],
    colours: Float[np.ndarray, "view colour"],
    fitted: Fitted,
    weight: float,
) -> Float16[np.ndarray, "view visual"]:
    """Return views among pictures: what they show, and beside it the skin tone."""
    return unit(np.concatenate([thing, weight * gated(fitted.tone(colours))], 1)).astype(np.float16)


def names(
    thing: Float32[np.ndarray, "view thing"],
    logits: Float[np.ndarray, "view class"],
    classes: Float32[np.ndarray, "class text"],
    fitted: Fitted,
    weights: tuple[float, float],
) -> Float16[np.ndarray, "view name"]:
    """Return views among names.

    Args:
        thing: As `things_seen` returns it.
        logits: Of ImageNet's classifier.
        classes: Centred embeddings of the names of ImageNet's classes.
        fitted: The encoder that ships.
        weights: Of what the bridge makes of the logits as they are, and of all that it makes.
    """
    mean = fitted.exemplars.mean
    exemplar = unit(thing[:, : len(mean)] - mean)
    likely = _softmax(logits / _TEMPERATURE)
    least = np.partition(likely, -_TOP_CLASSES, axis=1)[:, -_TOP_CLASSES, None]
    plain = np.where(likely < least, 0, likely) @ classes
    scaled = plain + _STANDARDISED_SHARE * (
        _softmax((logits - fitted.scale.offset) / fitted.scale.spread) @ classes
    )
    return unit(np.concatenate([exemplar, weights[0] * plain + weights[1] * scaled], 1)).astype(np.float16)


def parts_of(rows: Float16[np.ndarray, "view part"], where: Mapping[str, slice], fitted: Fitted) -> Parts:
    """Return what was read from views, reduced a part at a time.

    Args:
        rows: As the frozen layers read them.
        where: Each part stands in a row, in the order of the reductions; colours and logits at the end.
        fitted: The encoder that ships.
    """
    pairs = zip(list(where.values())[: len(fitted.reductions)], fitted.reductions, strict=True)
    reduced = np.concatenate([reduce(rows[:, part]) for part, reduce in pairs], axis=1)
    colours, logits = (rows[:, where[name]].astype(np.float32) for name in ("colours", "logits"))
    return Parts(reduced, colours, logits)


def _between(known: Float32[np.ndarray, "n into"], wanted: Float32[np.ndarray, "n out"]) -> Affine:
    """Return the least-squares map from one discriminant to another."""
    offset = known.mean(0)
    centred = (known - offset).astype(np.float64)
    weight = np.linalg.lstsq(centred.T @ centred, centred.T @ (wanted - wanted.mean(0)), rcond=1e-8)[0]
    shift = wanted.mean(0).astype(np.float64) @ np.linalg.pinv(weight)
    return Affine((offset - shift).astype(np.float32), weight.astype(np.float32))


def _softmax(rows: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
    powers = np.exp(rows - rows.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
