"""Everything that is measured of ranking, in one value."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from models.data.cache import cache_folder, load
from models.evaluation.encoders import STORE
from models.evaluation.ranking import choices, figures, hostile
from models.evaluation.ranking.asking import Shipped
from models.evaluation.ranking.attributes import Ablated, Attributes
from models.evaluation.ranking.choices import Chosen
from models.evaluation.ranking.evidence import PAIRS, WORDS, Kept, gathered
from models.evaluation.ranking.figures import Coverage, Gain
from models.evaluation.ranking.hostile import Moved, Places
from models.evaluation.ranking.questions import Question
from models.evaluation.ranking.rows import EVERYTHING, Judged, judged
from models.evaluation.ranking.sets import DRAWINGS, Asked, Sets
from models.evaluation.ranking.unknowns import Unknowns
from models.evaluation.subjects import Encoded
from models.ranking.joining import Weights

QUESTIONS: Final = 400
HEARD: Final = 100
"""Questions of each row that the language model is asked as well: it takes a hundred times as long."""
HOSTILE: Final = 6
"""One in so many of these is asked thirty times, with hostile labels and without."""
TIMED: Final = 20
TRUST: Final = 0.95
"""Margin from which the service asks nobody unless it was calibrated."""
SHIPPED: Final = "fovea-global"


@dataclass(frozen=True)
class Cost:
    """What asking one source about one picture takes.

    Attributes:
        source: Its name.
        median_ms: On this machine, with no answer kept.
    """

    source: str
    median_ms: float


@dataclass(frozen=True, eq=False)
class Results:
    """What was measured; `left_out` says what was not, and why.

    `rows` and `chosen` are without the language model; `heard` and `examined` with it, of fewer questions.
    """

    most: int
    rows: tuple[Judged, ...]
    heard: tuple[Judged, ...]
    weights: Weights
    coverages: tuple[Coverage, ...]
    chosen: tuple[tuple[str, tuple[Chosen, ...]], ...]
    examined: tuple[tuple[str, tuple[Chosen, ...]], ...]
    places: Places | None
    moved: tuple[Moved, ...]
    attributes: tuple[Ablated, ...]
    costs: tuple[Cost, ...]
    left_out: tuple[str, ...]

    def gains(self, way: str = EVERYTHING, *, threshold: float = figures.ALL) -> list[Gain]:
        """Return what each row gains over retrieval, below a margin."""
        return [
            figures.gain(
                each.retrieved.right,
                figures.gated(each.outcomes(way), threshold) if way in each.ways else each.retrieved.right,
            )
            for each in self.rows
        ]


class Suite:
    """Asks all questions, and counts.

    Args:
        most: Questions of each row.
        heard: The first of these, which the language model is asked as well.
        store: Where models are.
    """

    def __init__(self, most: int = QUESTIONS, heard: int = HEARD, store: Path = STORE) -> None:
        self._most, self._heard = most, heard
        self._shipped = Shipped(store)
        sets = {name: load(name) for name in ("emoji", "photos", "textile")}
        subject = Encoded(SHIPPED, self._shipped.encoder, cache_folder().parent / "features")
        self._sets = Sets(sets, subject, most)
        self._unknowns = Unknowns(sets, subject)
        self._attributes = Attributes(sets, subject, self._shipped, most=most, heard=heard)

    def run(self) -> Results:
        """Measure everything."""
        sets = list(self._sets.rows())
        quick = [each for each in self._shipped.sources if each.source.name in {PAIRS, WORDS}]
        rows = [self._judged(asked, quick) for asked in sets]
        language = self._shipped.language
        heard = [
            self._judged(_first(asked, self._heard), self._shipped.sources) for asked in sets if language
        ]
        drawn = [each for row in rows if row.asked.title == DRAWINGS for each in row.asked.questions]
        twisted = drawn[: self._heard // HOSTILE]
        return Results(
            most=self._most,
            rows=tuple(rows),
            heard=tuple(heard),
            weights=self._shipped.weights,
            coverages=tuple(self._unknowns.coverages()),
            chosen=tuple(self._chosen(row.asked, quick) for row in rows),
            examined=tuple(self._examined(row.asked) for row in heard),
            places=None if language is None else hostile.places(twisted, language),
            moved=() if language is None else tuple(hostile.moved(twisted, language)),
            attributes=tuple(self._attributes.rows()),
            costs=tuple(self._costs(drawn[:TIMED])),
            left_out=tuple(self._shipped.left_out),
        )

    def _judged(self, asked: Asked, sources: Sequence[Kept]) -> Judged:
        found = judged(asked, gathered(asked.questions, sources), self._shipped.weights)
        ways = ", ".join(f"{way} {each.share.value:.3f}" for way, each in found.ways.items())
        print(f"{asked.name}: {len(asked.questions)} questions, {found.retrieved.share.value:.3f}; {ways}")
        return found

    def _examined(self, asked: Asked) -> tuple[str, tuple[Chosen, ...]]:
        """Return how the language model chooses alone."""
        questions = choices.of_four(asked.questions)
        language = self._shipped.language
        if language is None or not questions:
            return asked.name, ()
        return asked.name, (choices.by_letter(questions, language),)

    def _chosen(self, asked: Asked, sources: Sequence[Kept]) -> tuple[str, tuple[Chosen, ...]]:
        questions = choices.of_four(asked.questions)
        said = gathered(questions, sources)
        found = []
        if questions:
            by_evidence = partial(choices.by_evidence, questions=questions, weights=self._shipped.weights)
            retrieval = [{"retrieval": each["retrieval"]} for each in said]
            found.append(by_evidence("retrieval", said=retrieval))
            found.append(by_evidence(EVERYTHING, said=said))
        return asked.name, tuple(found)

    def _costs(self, questions: Sequence[Question]) -> Iterator[Cost]:
        for kept in self._shipped.sources:
            source = kept.source
            taken = []
            for question in questions:
                began = time.perf_counter()
                source.say(question)
                taken.append(time.perf_counter() - began)
            yield Cost(source.name, 1e3 * float(np.median(taken)))


def _first(asked: Asked, count: int) -> Asked:
    return replace(asked, questions=asked.questions[:count])
