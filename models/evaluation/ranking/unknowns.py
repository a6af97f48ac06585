"""Does the unknown gate refuse known things as seldom as it states?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from models.data.manifest import Manifest
from models.evaluation.ranking.figures import Coverage, coverage
from models.evaluation.ranking.questions import Memory, Picture, ask, by_name, by_picture
from models.evaluation.ranking.sets import withheld_drawings, withheld_names
from models.evaluation.sampling import few_shot
from models.evaluation.subjects import Subject

STATED: Final = (0.05, 0.1, 0.2)
_SEED: Final = 5


class Unknowns:
    """Calibrates gates on half of what is known, and asks for the other half.

    Args:
        sets: `emoji`, `photos` and `textile`.
        subject: The encoder whose votes say how unknown a thing is.
    """

    def __init__(self, sets: dict[str, Manifest], subject: Subject) -> None:
        self._sets = sets
        self._subject = subject

    def coverages(self) -> Iterator[Coverage]:
        """Yield what each gate does at each stated rate."""
        for title, known, untaught in self._scores():
            for stated in STATED:
                yield coverage(title, known, untaught if len(untaught) else None, stated=stated)

    def _scores(self) -> Iterator[tuple[str, Float[np.ndarray, "n"], Float[np.ndarray, "m"]]]:
        """Yield how unknown known things seem, and things that were not taught."""
        drawings, textile = withheld_drawings(self._sets["emoji"]), self._sets["textile"]
        photos, unseen = self._sets["photos"], withheld_names(self._sets["emoji"])
        yield "drawings, all classes taught", *self._by_picture(drawings, 1, share=1.0)
        yield "drawings, half of the classes taught", *self._by_picture(drawings, 1, share=0.5)
        yield "textiles, four pictures each", *self._by_picture(textile, 4, share=1.0)
        yield "photographs, all names known", *self._by_name(photos, share=1.0)
        yield "photographs, half of the names known", *self._by_name(photos, share=0.5)
        yield "withheld names, half of them known", *self._by_name(unseen, share=0.5)

    def _by_picture(
        self, pictures: Manifest, shots: int, *, share: float
    ) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "m"]]:
        labels = np.array([row.label for row in pictures.rows])
        taught = _drawn(labels, share)
        seen = self._subject.see(pictures).visual
        places = few_shot(labels.tolist(), shots=shots, seed=_SEED)
        names = np.unique(labels)
        known = places[np.isin(names, list(taught))].ravel()
        memory = by_picture(
            sorted(taught),
            seen[known],
            np.repeat(np.arange(len(taught)), shots),
            [Picture(pictures, pictures.rows[place]) for place in known],
        )
        asked = np.setdiff1d(np.arange(len(labels)), known)
        return _apart(pictures, seen, memory, asked, np.isin(labels, list(taught)))

    def _by_name(
        self, pictures: Manifest, *, share: float
    ) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "m"]]:
        labels = np.array([row.label for row in pictures.rows])
        taught = sorted(_drawn(labels, share))
        vectors, seen = self._subject.read(taught), self._subject.see(pictures).name
        if vectors is None or seen is None:
            raise ValueError(f"{self._subject.title} knows no names")
        everything = np.arange(len(labels))
        return _apart(pictures, seen, by_name(taught, vectors), everything, np.isin(labels, taught))


def _drawn(labels: np.ndarray, share: float) -> frozenset[str]:
    """Return so many of the labels, drawn by seed."""
    names = np.unique(labels)
    drawn = np.random.default_rng(_SEED).permutation(len(names))[: round(share * len(names))]
    return frozenset(names[drawn].tolist())


def _apart(
    pictures: Manifest,
    seen: Float[np.ndarray, "n dim"],
    memory: Memory,
    asked: np.ndarray,
    is_taught: Bool[np.ndarray, "n"],
) -> tuple[Float[np.ndarray, "known"], Float[np.ndarray, "untaught"]]:
    """Return how unknown pictures seem, those that are known and those that are not."""
    score = np.array(
        [
            ask(Picture(pictures, pictures.rows[place]), seen[place], memory, truth="").unknown
            for place in asked
        ]
    )
    return score[is_taught[asked]], score[~is_taught[asked]]
