"""Everything around a ranker: an image, its regions, and a use case that asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from services.kernel.errors import (
    NotFound,
)
from services.kernel.rankings import Candidates, Ranking
from services.kernel.sharing import Once, Turns
from services.kernel.vocabulary import Box, ImageReference, RecognitionOptions, Region, RegionOrigin
from services.ranking.domain.asking import Effort
from services.ranking.domain.ordering import Thresholds
from services.ranking.domain.planning import Plan
from services.ranking.ports import Ranker
from services.ranking.usecases import Answer, AskRanker, Desk, QuestionKey, Rank, Ranked
from services.runtime import deadline
from tests.fakes.gateway import picture
from tests.fakes.ranking import RecordingMonitor, candidates

PICTURE = picture(size=(64, 48))
IMAGE = ImageReference(hashlib.sha256(PICTURE).hexdigest(), "images/one", "image/png", len(PICTURE), 64, 48)
THRESHOLDS = Thresholds(trust=0.9, unknown=0.75, level=0.5)
EASY, HARD, STRANGE = 0.95, 0.2, 0.1
NO_OPTIONS = RecognitionOptions()


@dataclass
class DictImages:
    """Pictures by key, and how often each was read."""

    pictures: Mapping[str, bytes] = field(default_factory=lambda: {IMAGE.key: PICTURE})
    reads: list[str] = field(default_factory=list)

    def read(self, image: ImageReference) -> bytes:
        self.reads.append(image.key)
        if image.key not in self.pictures:
            raise NotFound(f"there is no {image.key}")
        return self.pictures[image.key]


def region(number: int = 0) -> Region:
    """A part of the image."""
    return Region(str(number), Box(4.0 * number, 0.0, 4.0 * number + 30.0, 40.0), RegionOrigin.CALLER)


def found(number: int = 0, *, labels: int = 3, margin: float = HARD, unknown: float = 0.1) -> Candidates:
    """Candidates that the gates leave open unless their margin or *unknown* says otherwise."""
    weights = [2.0 ** (labels - i) for i in range(labels)]
    pairs = [(f"label {i}", weight / sum(weights)) for i, weight in enumerate(weights)]
    return candidates(*pairs, margin=margin, unknown=unknown, region_id=str(number))


def desk(effort: Effort | None = None, *, labels: int = 26, budget_s: float = 5.0, most: int = 100) -> Desk:
    """A desk with a cache, over the deadline of the process."""
    wanted = Plan(labels, effort or Effort(), regions=0)
    once: Once[QuestionKey, Answer] = Once(
        deadline, most=most, weigh=lambda answer: 1 if answer.whole else most + 1
    )
    return Desk(deadline, Turns(deadline, at_once=2), once, wanted, budget_s=budget_s)


def rank(
    ranker: Ranker | None,
    *,
    images: DictImages | None = None,
    at: Desk | None = None,
    monitor: RecordingMonitor | None = None,
    clock: Callable[[], float] = lambda: 1.0,
) -> Rank:
    """The use case over a ranker."""
    monitor = monitor or RecordingMonitor()
    ask = None
    if ranker is not None:
        ask = AskRanker(ranker, images or DictImages(), replace(at or desk(), clock=clock), monitor)
    return Rank(thresholds=THRESHOLDS, monitor=monitor, version="1.2", clock=clock, ask=ask)


def asked(case: Rank, *each: Candidates, image: ImageReference | None = IMAGE) -> Ranked:
    """What the use case makes of candidates, each about the region of its number."""
    regions = [region(int(one.region_id)) for one in each]
    return case(each, NO_OPTIONS, image=image, regions=regions)


def one(case: Rank, *each: Candidates) -> Ranking:
    """Its only ranking, of `found()` where no candidates are given."""
    (ranking,) = asked(case, *(each or (found(),))).rankings
    return ranking


def names(ranking: Ranking) -> list[str]:
    """Its labels, best first."""
    return [each.label for each in ranking.labels]
