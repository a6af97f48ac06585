"""Pictures asked by name alone: names that were never trained on, and photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int

from models.data.manifest import Manifest
from models.evaluation.metrics import Share, clustering_accuracy, ranks, semantic_accuracy, share, top
from models.evaluation.protocols.artists import base_of
from models.evaluation.subjects import Subject

_FIRST: Final = 1
_FIVE: Final = 5


@dataclass(frozen=True, eq=False)
class Named:
    """How one subject named some pictures.

    Attributes:
        subject: Its title.
        what: Which pictures, among which names.
        rank: Of the true name; 0 where it came first.
        candidates: How many names there were.
        predicted: The first name of each picture.
        truth: The true names.
        sacc: Mean cosine of the predicted name's text and the true one's, by one text encoder for all.
    """

    subject: str
    what: str
    rank: Int[np.ndarray, "picture"]
    candidates: int
    predicted: tuple[str, ...]
    truth: tuple[str, ...]
    sacc: float

    @property
    def first(self) -> Share:
        """Top-1."""
        return top(self.rank, _FIRST)

    @property
    def five(self) -> Share:
        """Top-5."""
        return top(self.rank, _FIVE)

    @property
    def cacc(self) -> float:
        """Clustering accuracy: the best one-to-one map from what was said to what is true."""
        return clustering_accuracy(self.predicted, self.truth)


def named(
    what: str, pictures: Manifest, candidates: Sequence[str], subject: Subject, judge: Subject
) -> Named | None:
    """Ask one subject for the names of pictures.

    Args:
        what: For the table.
        pictures: Their labels are the truth.
        candidates: All names that may be answered, each once; they hold every label.
        subject: Who answers.
        judge: Whose text encoder says how close two names are.

    Returns:
        None if the subject knows no names.
    """
    names, seen = subject.read(candidates), subject.see(pictures).name
    if names is None or seen is None:
        return None
    place = {name: number for number, name in enumerate(candidates)}
    truth = np.array([place[row.label] for row in pictures.rows])
    score = seen @ names.T
    said = score.argmax(1)
    meanings = judge.read(candidates)
    return Named(
        subject=subject.title,
        what=what,
        rank=ranks(score, truth),
        candidates=len(candidates),
        predicted=tuple(candidates[number] for number in said),
        truth=tuple(candidates[number] for number in truth),
        sacc=float("nan") if meanings is None else semantic_accuracy(meanings[said], meanings[truth]),
    )


def unseen(emoji: Manifest, artists: Sequence[str], subject: Subject, judge: Subject) -> list[Named]:
    """Name the pictures of names that were never trained on, among those names and among all."""
    everything = [row.label for row in base_of(emoji, artists[0]).rows]
    asked = [row for artist in artists for row in base_of(emoji, artist).rows if row["unseen"]]
    pictures = Manifest(emoji.name, emoji.folder, tuple(asked))
    few = list(dict.fromkeys(row.label for row in asked))
    found = [
        named(what, pictures, candidates, subject, judge)
        for what, candidates in (
            (f"among those {len(few)}", few),
            (f"among all {len(everything):,}", everything),
        )
    ]
    return [each for each in found if each is not None]


def photographs(photos: Manifest, subject: Subject, judge: Subject) -> Named | None:
    """Name the photographs among all of their names."""
    candidates = sorted({row.label for row in photos.rows})
    return named(f"{len(photos)} photographs", photos, candidates, subject, judge)


def per_artist(found: Named, artists: int) -> list[Share]:
    """Return top-1 of each artist's pictures, which stand behind one another."""
    return [share(part < _FIRST) for part in np.split(found.rank, artists)]
