"""Batches of lessons as the detector is taught: what it is asked, what is known of the answers.

A picture is read in one of two ways. Asked names, it is read with a token of zeros, and every name of the
batch, and a hundred others, are asked of it. Asked phrases, it is read with them, and only they are asked.
Some of the names are put as a picture of such a thing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from models.data.splits import words
from models.segmentation.crowds.losses import Crowds
from models.segmentation.knowledge import DIMENSIONS
from models.segmentation.lessons import Lesson
from models.segmentation.losses import Supervision, Target
from models.segmentation.samples import PromptKind

NEGATIVES: Final = 100
ALIKE: Final = 0.9
"""Cosine of two names from which on neither is said to be wrong of the other's thing."""
EXEMPLARS: Final = 0.25
"""Share of the names of a batch that are put as a picture."""
BANK: Final = 16
"""Phrases of other pictures that each picture is asked beside its own."""
PHRASES: Final = frozenset({PromptKind.PHRASE, PromptKind.SENTENCE})

Vectors = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some pictures and what they are asked.

    Attributes:
        levels: What the trunk sees.
        sentences: The phrases of each picture, then rows of zeros.
        names: Asked of each picture that has no phrases.
        phrases: How many phrases each picture has; 0: it is asked names.
        subjects: Of each picture, numbers of what it holds.
        about: Of each of its phrases, the number of what it is about.
        data_sets: Where each is from.
        targets: The truth: columns are the picture's own phrases, or the names; then room for the bank.
    """

    levels: tuple[Tensor, ...]
    sentences: Tensor  # (b, s, 640)
    names: Tensor  # (t, 640)
    phrases: tuple[int, ...]
    subjects: tuple[tuple[int, ...], ...]
    about: tuple[tuple[int, ...], ...]
    data_sets: tuple[str, ...]
    targets: tuple[Target, ...]

    def to(self, device: torch.device) -> Batch:
        """Return the batch where it is computed with."""
        return replace(
            self,
            levels=tuple(each.to(device) for each in self.levels),
            sentences=self.sentences.to(device),
            names=self.names.to(device),
            targets=tuple(_to(each, device) for each in self.targets),
        )


class Vocabulary:
    """All names that lessons are asked, and which drawings show what they name.

    Args:
        lessons: All of them.
        texts: The vector of every text that is asked.
        cutouts: The vector of every drawing, by its id.
    """

    def __init__(self, lessons: Iterable[Lesson], texts: Vectors, cutouts: Vectors) -> None:
        self.texts = texts
        self.cutouts = cutouts
        shown: dict[str, set[str]] = defaultdict(set)
        names: set[str] = set()
        labels: set[str] = set()
        for each in lessons:
            labels.update(each.labels)
            asked = [p.text if p.kind is PromptKind.NAME else None for p in each.prompts]
            names.update(text for text in asked if text is not None)
            for answers, cutout in zip(each.answers, each.cutouts, strict=True):
                for text in (asked[index] for index in answers):
                    if text is not None and cutout in cutouts:
                        shown[text].add(str(cutout))
        self.names = tuple(sorted(names))
        self.numbers = {label: number for number, label in enumerate(sorted(labels))}
        self.shown = {text: tuple(sorted(ids)) for text, ids in shown.items()}
        self._words = {text: words(text) for text in self.names}

    def alike(self, one: str, other: str) -> bool:
        """Whether what is called by one name may be called by the other, too."""
        a, b = self._words[one], self._words[other]
        return a <= b or b <= a or float(self.texts[one] @ self.texts[other]) > ALIKE


def read_levels(each: Lesson, device: torch.device) -> tuple[Tensor, ...]:
    """Return what the trunk sees in one lesson, as a batch of one."""
    return tuple(torch.from_numpy(level.astype(np.float32))[None].to(device) for level in each.maps)


def batch(lessons: Sequence[Lesson], vocabulary: Vocabulary, rng: np.random.Generator) -> Batch:
    """Return lessons as a batch; what is asked of each, and how, is drawn."""
    said = [_phrases(each, rng) for each in lessons]
    named = [each for each, indices in zip(lessons, said, strict=True) if not indices]
    names = _names(named, vocabulary, rng)
    longest = max(1, *(len(indices) for indices in said))
    sentences = np.zeros((len(lessons), longest, DIMENSIONS), np.float32)
    for row, (each, indices) in enumerate(zip(lessons, said, strict=True)):
        for place, index in enumerate(indices):
            sentences[row, place] = vocabulary.texts[each.prompts[index].text]
    truth = _Truth(names, max(len(names), longest + BANK), vocabulary)
    drawn = {cutout for each in lessons for cutout in each.cutouts}
    return Batch(
        levels=tuple(
            torch.from_numpy(np.stack(maps).astype(np.float32))
            for maps in zip(*(each.maps for each in lessons), strict=True)
        ),
        sentences=torch.from_numpy(sentences),
        names=torch.from_numpy(_vectors(names, vocabulary, drawn, rng)),
        phrases=tuple(len(indices) for indices in said),
        subjects=tuple(tuple(vocabulary.numbers[label] for label in each.labels) for each in lessons),
        about=tuple(
            tuple(_about(each, index, vocabulary) for index in indices)
            for each, indices in zip(lessons, said, strict=True)
        ),
        data_sets=tuple(each.data_set for each in lessons),
        targets=tuple(
            truth.of_phrases(each, indices) if indices else truth.of_names(each)
            for each, indices in zip(lessons, said, strict=True)
        ),
    )


@dataclass(frozen=True, eq=False)
class _Truth:
    """Makes targets with so many columns, of which the first are the names or the phrases."""

    names: Sequence[str]
    columns: int
    vocabulary: Vocabulary

    def of_phrases(self, each: Lesson, indices: Sequence[int]) -> Target:
        known = torch.zeros(self.columns, dtype=torch.bool)
        for place, index in enumerate(indices):
            known[place] = each.verified is None or index in each.verified
        return self._target(each, {index: place for place, index in enumerate(indices)}, known)

    def of_names(self, each: Lesson) -> Target:
        column = {text: place for place, text in enumerate(self.names)}
        asked = {
            index: column[prompt.text]
            for index, prompt in enumerate(each.prompts)
            if prompt.kind is PromptKind.NAME
        }
        known = torch.zeros(self.columns, dtype=torch.bool)
        there = (*each.answers, *each.crowd_answers)
        present = {index for answers in there for index in answers if index in asked}
        if each.verified is None and asked:
            held = {each.prompts[index].text for index in present}
            for text, place in column.items():
                known[place] = not any(self.vocabulary.alike(text, other) for other in held)
        for index, place in asked.items():
            known[place] = each.verified is None or index in each.verified
        return replace(self._target(each, asked, known), teachers=self._teachers(each))

    def _target(self, each: Lesson, place: Mapping[int, int], known: Tensor) -> Target:
        supervision = Supervision.WEAK if each.weak else Supervision.FULL
        return Target(
            boxes=torch.from_numpy(each.boxes),
            masks=torch.from_numpy(each.masks / np.float32(255)),
            answers=self._table(each.answers, place),
            verified=known,
            supervision=supervision if each.prompts else Supervision.AGNOSTIC,
            crowds=self._crowds(each, place),
        )

    def _crowds(self, each: Lesson, place: Mapping[int, int]) -> Crowds | None:
        if not len(each.crowds):
            return None
        return Crowds(torch.from_numpy(each.crowds), self._table(each.crowd_answers, place))

    def _table(self, answers: Sequence[frozenset[int]], place: Mapping[int, int]) -> Tensor:
        """Return which column is true of each row."""
        found = torch.zeros(len(answers), self.columns, dtype=torch.bool)
        for row, indices in enumerate(answers):
            found[row, [place[index] for index in indices if index in place]] = True
        return found

    def _teachers(self, each: Lesson) -> Tensor:
        found = np.zeros((len(each.boxes), DIMENSIONS), np.float32)
        for row, cutout in enumerate(each.cutouts):
            if cutout is not None and cutout in self.vocabulary.cutouts:
                found[row] = self.vocabulary.cutouts[cutout]
        return torch.from_numpy(found)


def _to(target: Target, device: torch.device) -> Target:
    tensors = {name: value.to(device) for name, value in vars(target).items() if isinstance(value, Tensor)}
    return replace(target, **tensors, crowds=None if target.crowds is None else target.crowds.to(device))


def _phrases(each: Lesson, rng: np.random.Generator) -> list[int]:
    """Return the phrases that a picture is read with; none where it is asked names."""
    said = [index for index, prompt in enumerate(each.prompts) if prompt.kind in PHRASES]
    both = 0 < len(said) < len(each.prompts)
    return [] if both and rng.random() < 0.5 else said  # noqa: PLR2004  (either way as often)


def _about(each: Lesson, index: int, vocabulary: Vocabulary) -> int:
    """Return the number of what a phrase is about; -1 where nothing answers it."""
    found = (
        vocabulary.numbers[label]
        for label, answers in zip(each.labels, each.answers, strict=True)
        if index in answers
    )
    return next(found, -1)


def _names(lessons: Sequence[Lesson], vocabulary: Vocabulary, rng: np.random.Generator) -> list[str]:
    asked = {p.text for each in lessons for p in each.prompts if p.kind is PromptKind.NAME}
    count = min(NEGATIVES, len(vocabulary.names)) if asked else 0
    others = rng.choice(len(vocabulary.names), count, replace=False).tolist() if count else []
    return sorted(asked | {vocabulary.names[index] for index in others})


def _vectors(
    names: Sequence[str], vocabulary: Vocabulary, drawn: set[str | None], rng: np.random.Generator
) -> np.ndarray:
    """Return a vector for each name, at times that of a drawing which none of the pictures shows."""
    found = np.zeros((len(names), DIMENSIONS), np.float32)
    chances = rng.random((len(names), 2))
    for row, (text, (chance, which)) in enumerate(zip(names, chances.tolist(), strict=True)):
        others = [each for each in vocabulary.shown.get(text, ()) if each not in drawn]
        known = vocabulary.texts[text]
        if chance < EXEMPLARS and others:
            known = vocabulary.cutouts[others[int(which * len(others))]]
        found[row] = known
    return found
