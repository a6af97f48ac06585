"""A model beside its variants: size, time and loss, in one table for the card and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.importer.loss import Loss, loss_of, top_1
from models.importer.pictures import Pictures, crops
from models.importer.running import Model, milliseconds, size_of
from models.text.tokenizer import Tokenizer
from models.vision.preparation import PreparationSettings

_SOME: Final = 200
_TEXTS: Final = 64


@dataclass(frozen=True)
class Measured:
    """One model.

    Attributes:
        name: As it is called in the store.
        megabytes: Graph and weights.
        milliseconds: One item in a batch of four, on one thread.
        loss: Against the first; None for the first itself.
    """

    name: str
    megabytes: float
    milliseconds: float
    loss: Loss | None = None


def settings_of(description: Mapping[str, Any]) -> PreparationSettings:
    """Return how pictures become the crops of a model."""
    side = description["inputs"][0]["shape"][1]
    return PreparationSettings(size_px=side, **description.get("crops", {}))


def measured_vision(folders: Sequence[Path], pictures: Pictures) -> list[Measured]:
    """Measure an encoder of pictures, first, and its variants."""
    models = [Model(folder) for folder in folders]
    settings = settings_of(models[0].description)
    some = {"crops": crops(pictures.some(_SOME), settings)}
    remembered, asked = (crops(paths, settings) if paths else None for paths in pictures.pairs())
    found = [model.run(some) for model in models]
    right = [
        top_1(model.run({"crops": remembered}), model.run({"crops": asked}))
        if remembered is not None and asked is not None
        else 0.0
        for model in models
    ]
    losses = [
        _with_top_1(loss_of(found[0], each), right[0], after, 0 if asked is None else len(asked))
        for each, after in zip(found, right, strict=True)
    ]
    return _rows(models, milliseconds(models, some), losses)


def measured_text(folders: Sequence[Path], tokenizer: Tokenizer, texts: Sequence[str]) -> list[Measured]:
    """Measure an encoder of texts, first, and its variants."""
    models = [Model(folder) for folder in folders]
    tokens = tokenizer(texts[:_TEXTS]).tensors()
    found = [model.run(tokens) for model in models]
    losses = [loss_of(found[0], each) for each in found]
    return _rows(models, milliseconds(models, tokens), losses)


def _with_top_1(loss: Loss, before: float, after: float, asked: int) -> Loss:
    return Loss(loss.items, loss.cosine, loss.least_cosine, loss.kept, before, after, asked)


def _rows(models: Sequence[Model], times: Sequence[float], losses: Sequence[Loss]) -> list[Measured]:
    return [
        Measured(
            name=model.description["name"],
            megabytes=size_of(model) / 1e6,
            milliseconds=time,
            loss=loss if position else None,
        )
        for position, (model, time, loss) in enumerate(zip(models, times, losses, strict=True))
    ]


def table(rows: Sequence[Measured], *, batch: int = 4) -> str:
    """Return the rows as a table in Markdown, timed in batches of so many items."""
    lines = [
        f"| model | MB | ms an item (one thread, batch of {batch}) | times faster | against the first |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        faster = rows[0].milliseconds / row.milliseconds
        against = row.loss.words if row.loss else "-"
        lines.append(
            f"| {row.name} | {row.megabytes:.1f} | {row.milliseconds:.2f} | {faster:.2f} | {against} |"
        )
    return "\n".join(lines)


def labels(count: int = _TEXTS) -> tuple[str, ...]:
    """Return texts to measure with, always the same."""
    things = (
        "goldfinch",
        "house wren",
        "pickup truck",
        "red apple",
        "Siamese cat",
        "violin",
        "clock",
        "rose",
    )
    forms = (
        "a photo of a {}",
        "a drawing of a {}",
        "{}",
        "a small {}",
        "a {} on a table",
        "the back of a {}",
        "two of these: {}",
        "an old {} in the rain",
    )
    texts = [form.format(thing) for form in forms for thing in things]
    return tuple(np.asarray(texts)[:count].tolist())
