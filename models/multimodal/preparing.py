"""What a training needs, computed once and kept in the cache: features without leaks, examples, hashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.multimodal import examples as r17
from models.multimodal import features as of_views
from models.multimodal.features import Features
from models.multimodal.mining import Memories, clipart_neighbours, emoji_neighbours, plain_views
from models.multimodal.pictures import Lot, folds
from models.multimodal.settings import Recipe
from models.vision.global_encoder.recipe import Fitted
from models.vision.global_encoder.recipe import Recipe as EncoderRecipe


@dataclass(frozen=True, eq=False)
class Known:
    """The encoder that ships, and what its frozen layers read.

    Attributes:
        rows: Of every view.
        picture: Of which picture of the lot each view is.
        is_plain: Whether it is the picture as it is.
        where: Each part stands in a row.
        fitted: Its matrices.
        recipe: Its constants.
        classes: Centred embeddings of the names of ImageNet's classes.
    """

    rows: np.ndarray
    picture: np.ndarray
    is_plain: np.ndarray
    where: dict[str, slice]
    fitted: Fitted
    recipe: EncoderRecipe
    classes: np.ndarray


def features(lot: Lot, known: Callable[[], Known], folder: Path) -> Features:
    """Return the features of each view as if the encoder had not learned its class.

    Args:
        lot: Whose pictures.
        known: Reads the rest, if it has to be computed.
        folder: Of what is kept for this lot.
    """
    path = folder / "features.npz"
    if not path.is_file():
        _computed(lot, known()).save(path)
    return Features.load(path)


def _computed(lot: Lot, known: Known) -> Features:
    things = np.array([one.thing for one in lot.pictures])
    fold = folds(things.tolist(), lot.apart)[known.picture]
    parts = of_views.parts_of(known.rows, known.where, known.fitted)
    seen = of_views.things_seen(parts, things[known.picture], fold, known.fitted, known.recipe)
    return Features(
        of_views.embeddings(seen, parts.colours, known.fitted, known.recipe.tone_weight),
        of_views.names(seen, parts.logits, known.classes, known.fitted, known.recipe.bridge_weights),
        known.picture,
        known.is_plain,
    )


def examples(
    lot: Lot, seen: Features, recipe: Recipe, says: Callable[[str], bool], folder: Path
) -> list[r17.Example]:
    """Return the examples of a recipe; beside them lie the counts of each step and the splits' hashes.

    Args:
        lot: Whose pictures.
        seen: Their features.
        recipe: How.
        says: Whether the name of a piece of clip art says something.
        folder: Of what is kept for this lot.
    """
    named = f"examples-{recipe.memory}-{recipe.neighbours}-{recipe.draws}-{recipe.seed}"
    path = folder / f"{named}.jsonl"
    if not path.is_file():
        counts = r17.Counts()
        found = [*_emoji(lot, seen, recipe), *_clipart(lot, seen, recipe, says)]
        ids = {one.id for one, may in zip(lot.pictures, lot.learned, strict=True) if may}
        counts.hashes = {
            "asked": r17.hashed({each.picture for each in found}),
            "memory": r17.hashed(ids),
            "held apart": r17.hashed(lot.apart),
        }
        r17.write(path, r17.examples(found, r17.Options(seed=recipe.seed), counts))
        (folder / f"{named}.json").write_text(
            json.dumps({"steps": counts.steps, "hashes": counts.hashes}, indent=1), encoding="utf-8"
        )
    return r17.read(path)


def _emoji(lot: Lot, seen: Features, recipe: Recipe) -> list[r17.Neighbours]:
    may = lot.learned
    drawn = np.random.default_rng((recipe.seed, 1))
    views: dict[int, list[int]] = {}
    for view, picture in enumerate(seen.picture.tolist()):
        views.setdefault(picture, []).append(view)
    asking = [
        (place, int(drawn.choice(views[place])))
        for _ in range(recipe.draws)
        for place, one in enumerate(lot.pictures)
        if may[place] and one.thing
    ]
    memories = Memories(lot.pictures, seen, may)
    return list(
        emoji_neighbours(
            memories,
            asking,
            classes=recipe.memory,
            count=recipe.neighbours,
            seed=recipe.seed,
        )
    )


def _clipart(lot: Lot, seen: Features, recipe: Recipe, says: Callable[[str], bool]) -> list[r17.Neighbours]:
    if not any(not one.thing for one in lot.pictures) or not plain_views(seen):
        return []
    return list(clipart_neighbours(lot.pictures, seen, lot.learned, says, count=recipe.neighbours))
