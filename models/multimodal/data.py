"""Batches of training: which examples, which views of their pictures, in which order of candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor

from models.multimodal.examples import Example
from models.multimodal.features import Features
from models.multimodal.rows import Batch, Row, Writer, batch
from models.multimodal.settings import Stage

_ALIKE: Final = 4
"""Of so many times as many rows, those of one length learn together: padding costs time."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """A batch as tensors; names as in `rows.Batch`."""

    ids: Tensor
    places: Tensor
    positions: Tensor
    mask: Tensor
    reads: Tensor
    wanted: Tensor
    owner: Tensor

    @classmethod
    def of(cls, found: Batch, device: torch.device) -> Inputs:
        """Return the tensors of a batch."""
        return cls(**{key: torch.from_numpy(value).to(device) for key, value in vars(found).items()})


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one step learns from.

    Attributes:
        kind: Of all its examples.
        inputs: Their rows.
        embeddings: Of their pictures, (row, 389).
        names: Of their pictures, (row, 640).
        truth: The true branch of each row; 0 for rows of letters.
        hint: What the pictures' tokens are moved towards, (row, token, width).
        moved: How far, (row, 1, 1), from 0 to 1.
    """

    kind: str
    inputs: Inputs
    embeddings: Tensor
    names: Tensor
    truth: Tensor
    hint: Tensor
    moved: Tensor


class Lessons:
    """Draws lessons: the same for the same step, whatever was drawn before.

    Args:
        examples: All of them.
        features: Of all pictures' views.
        places: Of each picture's id among them.
        writer: Of rows.
        words: Of a picture by its place, the words of its name as tokens (token, width).
        noise: Standard deviation that is added to features.
        seed: Of what is drawn.
    """

    def __init__(  # noqa: PLR0913  (what a lesson is made of)
        self,
        examples: Sequence[Example],
        features: Features,
        places: Mapping[str, int],
        writer: Writer,
        words: Callable[[int], np.ndarray],
        *,
        noise: float,
        seed: int,
    ) -> None:
        self._by_kind: dict[str, list[Example]] = {}
        for example in examples:
            self._by_kind.setdefault(example.kind, []).append(example)
        self._by_name = {kind: _named(own) for kind, own in self._by_kind.items()}
        self._features = features
        self._places = places
        self._writer = writer
        self._words = words
        self._labels = sorted({example.truth for example in examples})
        self._noise = noise
        self._seed = seed
        order = np.argsort(features.picture, kind="stable")
        count = int(features.picture.max()) + 1
        starts = np.searchsorted(features.picture[order], np.arange(count + 1))
        self._views = [order[a:b] for a, b in pairwise(starts)]

    def draw(self, stage: Stage, step: int, device: torch.device) -> Lesson:
        """Return what a step of a stage learns from."""
        drawn = np.random.default_rng((self._seed, sum(stage.name.encode()), step))
        kinds = list(stage.mix)
        kind = kinds[int(drawn.choice(len(kinds), p=list(stage.mix.values())))]
        own = self._by_kind[kind]
        if stage.spread:
            named = self._by_name[kind]
            groups = [named[int(place)] for place in drawn.integers(len(named), size=_ALIKE * stage.rows)]
            many = [group[int(drawn.integers(len(group)))] for group in groups]
        else:
            many = [own[int(place)] for place in drawn.integers(len(own), size=_ALIKE * stage.rows)]
        written = [(*self._row(example, stage, drawn), example.picture) for example in many]
        written.sort(key=lambda one: len(one[0].ids))
        start = int(drawn.integers(_ALIKE)) * stage.rows
        chosen = written[start : start + stage.rows]
        views = [drawn.choice(self._views[self._places[picture]]) for _, _, picture in chosen]
        seen = [
            torch.from_numpy(self._noisy(rows[views], drawn)).to(device)
            for rows in (self._features.embeddings, self._features.names)
        ]
        inputs = Inputs.of(batch([row for row, _, _ in chosen]), device)
        truth = torch.tensor([truth for _, truth, _ in chosen], device=device)
        words = [self._words(self._places[picture]) for _, _, picture in chosen]
        hint = torch.from_numpy(np.stack(words).astype(np.float32)).to(device)
        most = 0.0 if kind == "open" else stage.hint
        moved = torch.from_numpy(drawn.uniform(0, most, (len(chosen), 1, 1)).astype(np.float32)).to(device)
        return Lesson(kind, inputs, seen[0], seen[1], truth, hint, moved)

    def _row(self, example: Example, stage: Stage, drawn: np.random.Generator) -> tuple[Row, int]:
        """Return an example's row, its candidates in an order drawn anew, and the place of the truth."""
        candidates = example.candidates
        if example.kind == "choice" and drawn.random() < stage.easy:
            others = drawn.choice(len(self._labels), size=len(candidates) - 1, replace=False)
            candidates = tuple(dict.fromkeys((example.truth, *(self._labels[one] for one in others))))
        order = drawn.permutation(len(candidates))
        shown = [candidates[place] for place in order]
        truth = shown.index(example.truth)
        if example.kind == "open":
            return self._writer.names(shown), truth
        said = example.target if example.kind == "ranking" else (example.truth,)
        return self._writer.letters(shown, [shown.index(label) for label in said]), 0

    def _noisy(self, rows: np.ndarray, drawn: np.random.Generator) -> np.ndarray:
        noise = self._noise * drawn.standard_normal(rows.shape)
        return np.asarray(rows.astype(np.float32) + noise, dtype=np.float32)


def _named(examples: Sequence[Example]) -> list[list[Example]]:
    """Return the examples of each name."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        found.setdefault(example.truth, []).append(example)
    return list(found.values())
