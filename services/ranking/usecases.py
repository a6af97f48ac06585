"""What ranking does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.kernel.vocabulary import Candidates, Ranking, RecognitionOptions, Stage
from services.ranking.domain.ordering import Gates, Thresholds, checked, retrieval_order
from services.ranking.ports import Monitor


@dataclass(frozen=True)
class Ranked:
    """The ranking of each region, in order, and the record of how they came about."""

    rankings: tuple[Ranking, ...]
    stage: Stage


class Rank:
    """Orders the candidates of each region of an image.

    Where the gates leave the order open a model would be asked; there is none yet, so retrieval's order
    stands and the ranking says so.

    Args:
        thresholds: What applies where the options say nothing.
        monitor: Is told about each ranking.
        version: Of this service, for the record.
        clock: Gives seconds; only differences count.
    """

    def __init__(
        self,
        *,
        thresholds: Thresholds,
        monitor: Monitor,
        version: str,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._thresholds = thresholds
        self._monitor = monitor
        self._version = version
        self._clock = clock

    def __call__(self, regions: Sequence[Candidates], options: RecognitionOptions) -> Ranked:
        """Return a permutation of each region's candidates.

        Raises:
            InvalidInput: A score is no share, or a label comes twice; the field is `candidates[2]...`.
        """
        started = self._clock()
        thresholds = self._in_force(options)
        rankings = tuple(
            self._rank(checked(found, field=f"candidates[{i}]"), thresholds)
            for i, found in enumerate(regions)
        )
        rungs = tuple(sorted({ranking.rung for ranking in rankings if ranking.rung}))
        stage = Stage("ranking", self._version, duration_s=self._clock() - started, rungs=rungs)
        return Ranked(rankings, stage)

    def _in_force(self, options: RecognitionOptions) -> Thresholds:
        asked = {
            "trust": options.trust_threshold,
            "unknown": options.unknown_threshold,
            "level": options.level_threshold,
        }
        return replace(self._thresholds, **{name: at for name, at in asked.items() if at is not None})

    def _rank(self, found: Candidates, thresholds: Thresholds) -> Ranking:
        ranking = retrieval_order(found, Gates.of(found, thresholds))
        self._monitor.ranked(found, ranking)
        return ranking
