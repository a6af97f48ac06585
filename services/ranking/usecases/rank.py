"""Orders the candidates of each region of an image."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from models.ranking.joining import Weights
from services.kernel.judgements import Parsed
from services.kernel.rankings import Candidates, Ranking
from services.kernel.vocabulary import ImageReference, RecognitionOptions, Region, Stage
from services.ranking.domain import judging, ladder
from services.ranking.domain.asking import Judgement
from services.ranking.domain.ordering import (
    Gates,
    Thresholds,
    checked,
    judged_order,
    retrieval_order,
)
from services.ranking.ports import Monitor
from services.ranking.usecases.ask import Answer, AskRanker


@dataclass(frozen=True)
class Ranked:
    """The ranking of each region, in order, and the record of how they came about."""

    rankings: tuple[Ranking, ...]
    stage: Stage


class Rank:
    """Orders the candidates of each region of an image.

    Where the gates leave the order open a model is asked; without one, or without its answer, retrieval's
    order stands and the ranking says so.

    Args:
        thresholds: What applies where the options say nothing.
        monitor: Is told about each ranking.
        version: Of this service, for the record.
        clock: Gives seconds; only differences count.
        ask: Asks a model; None: there is none.
    """

    def __init__(
        self,
        *,
        thresholds: Thresholds,
        monitor: Monitor,
        version: str,
        clock: Callable[[], float] = time.perf_counter,
        ask: AskRanker | None = None,
    ) -> None:
        self._thresholds = thresholds
        self._monitor = monitor
        self._version = version
        self._clock = clock
        self._ask = ask

    def __call__(
        self,
        found: Sequence[Candidates],
        options: RecognitionOptions,
        *,
        image: ImageReference | None = None,
        regions: Sequence[Region] = (),
    ) -> Ranked:
        """Return a permutation of each region's candidates.

        Args:
            found: The candidates of each region.
            options: What the caller asks.
            image: Where the regions are; None: no model is asked.
            regions: Those of the candidates, in their order; none: no model is asked.

        Raises:
            InvalidInput: A score is no share, or a label comes twice; the field is `candidates[2]...`.
        """
        started = self._clock()
        thresholds = self._in_force(options)
        for i, each in enumerate(found):
            checked(each, field=f"candidates[{i}]")
        gates = [Gates.of(each, thresholds) for each in found]
        answers = self._answers(found, gates, image, regions)
        rankings = tuple(
            self._ranking(each, decided, answer, thresholds)
            for each, decided, answer in zip(found, gates, answers, strict=True)
        )
        rungs = tuple(sorted({ranking.rung for ranking in rankings if ranking.rung}))
        models = {model: None for each in rankings if each.judged for model in each.judged.models}
        duration_s = self._clock() - started
        stage = Stage("ranking", self._version, tuple(models), duration_s=duration_s, rungs=rungs)
        return Ranked(rankings, stage)

    def _in_force(self, options: RecognitionOptions) -> Thresholds:
        asked = {
            "trust": options.trust_threshold,
            "unknown": options.unknown_threshold,
            "level": options.level_threshold,
        }
        said = {name: at for name, at in asked.items() if at is not None}
        return replace(self._thresholds, **said, calibrated=said.keys() & {*options.calibrated_gates})

    def _answers(
        self,
        found: Sequence[Candidates],
        gates: Sequence[Gates],
        image: ImageReference | None,
        regions: Sequence[Region],
    ) -> list[Answer]:
        """Return what became of each region; of one that nobody has to order, nothing."""
        answers = [Answer() for _ in found]
        places = [i for i, each in enumerate(found) if each.candidates and gates[i].leave_it_open]
        if not places:
            return answers
        if self._ask is None or image is None or not regions:
            missing = ladder.NO_REGION if image and self._ask else ladder.IMAGE_UNAVAILABLE
            return [Answer(rung=missing if self._ask else ladder.NO_RANKER) for _ in found]
        asked = self._ask(image, [regions[i] for i in places], [found[i] for i in places])
        for place, answer in zip(places, asked, strict=True):
            answers[place] = answer
        return answers

    def _ranking(self, found: Candidates, gates: Gates, answer: Answer, thresholds: Thresholds) -> Ranking:
        if answer.judgement is None or self._ask is None:
            ranking = retrieval_order(found, gates, answer.rung or ladder.NO_RANKER)
        else:
            weights = self._ask.ranker.terms().weights
            ranking = _judged(found, gates, (answer.judgement, answer), thresholds, weights)
        self._monitor.ranked(found, ranking)
        return ranking


def _judged(
    found: Candidates,
    gates: Gates,
    said: tuple[Judgement, Answer],
    thresholds: Thresholds,
    weights: Weights,
) -> Ranking:
    """Return the ranking that the model's answer gives; one that named nothing leaves retrieval's order."""
    judgement, answer = said
    asked = found.candidates[: len(judgement.evidence[0].log_probabilities)]
    probabilities, evidence = judging.weighed([each.score for each in asked], judgement, weights)
    judged = judging.judged(
        judgement, answer.effort, evidence, duration_s=answer.duration_s, cached=answer.cached
    )
    if judged.parsed is Parsed.FALLBACK:
        return replace(retrieval_order(found, gates, ladder.RANKER_FAILED), judged=judged)
    moved = judging.reordered(found, probabilities)
    return judged_order(moved, gates.with_level(moved, thresholds), judged, answer.rung)
