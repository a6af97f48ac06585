"""Asking a model about the regions of one image, as far as time allows."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from services.kernel.errors import DeadlineExceeded, FoveaError
from services.kernel.rankings import Candidates
from services.kernel.sharing import Once, Turns
from services.kernel.vocabulary import ImageReference, Region
from services.ranking.domain import ladder, planning
from services.ranking.domain.asking import Effort, Judgement, Mode, Question, Shown
from services.ranking.domain.judging import NoAnswerError, checked_judgement
from services.ranking.domain.ladder import Rung
from services.ranking.domain.planning import Plan
from services.ranking.ports import Deadline, ImageSource, Monitor, Ranker
from services.ranking.usecases.asked import Asked, QuestionKey, line
from services.ranking.usecases.pacing import Pacemaker
from services.ranking.usecases.pictures import Pictures

_LOG: Final = logging.getLogger(__name__)
NO_EFFORT: Final = Effort()


@dataclass(frozen=True)
class Answer:
    """What became of one question: a judgement, or the rung that was taken without.

    Attributes:
        judgement: That of the model.
        rung: What was left out; None: nothing.
        effort: How hard the model was to try.
        duration_s: What it took, all questions of the image together.
        cached: Whether it was kept, or another caller's.
    """

    judgement: Judgement | None = None
    rung: Rung | None = None
    effort: Effort = NO_EFFORT
    duration_s: float = 0.0
    cached: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is worth keeping: all that was asked for."""
        wanted = 1 if self.effort.mode in {Mode.NAMES, Mode.PICTURES} else self.effort.orders
        said = self.judgement
        return said is not None and said.whole and len(said.readings) >= wanted


@dataclass(frozen=True)
class Desk:
    """How asking goes on.

    Attributes:
        deadline: When the caller is gone.
        turns: Who asks at a time.
        once: Shares and keeps answers.
        wanted: What is asked if time is no matter; the number of regions does not count.
        budget_s: The most that asking about one image may take.
        reserve_s: What is left of the caller's time for those behind.
    """

    deadline: Deadline
    turns: Turns
    once: Once[QuestionKey, Answer]
    wanted: Plan
    budget_s: float
    reserve_s: float = 0.02
    clock: Callable[[], float] = field(default=time.perf_counter)

    def left_s(self) -> float:
        """Return what asking about one image may take now."""
        remaining_s = self.deadline.remaining_s()
        return self.budget_s if remaining_s is None else min(self.budget_s, remaining_s - self.reserve_s)


class AskRanker:
    """Asks about each region once, however many callers do, and says of each what became of it.

    Nothing that befalls the ranker or the image reaches the caller.

    Args:
        ranker: Orders candidates.
        images: Where the pictures are.
        desk: How asking goes on.
        monitor: Is told what it costs.
    """

    def __init__(self, ranker: Ranker, images: ImageSource, desk: Desk, monitor: Monitor) -> None:
        self._ranker = ranker
        self._pictures = Pictures(images, least_px=ranker.terms().picture_px)
        self._desk = desk
        self._monitor = monitor
        self._pacemaker = Pacemaker(ranker.terms())
        most = min(desk.wanted.labels, ranker.terms().most_labels)
        self._wanted = replace(desk.wanted, labels=most)

    @property
    def ranker(self) -> Ranker:
        """Who is asked."""
        return self._ranker

    def __call__(
        self, image: ImageReference, regions: Sequence[Region], found: Sequence[Candidates]
    ) -> list[Answer]:
        """Return what became of each region, in order.

        Args:
            image: Where the regions are.
            regions: Those whose order is open.
            found: The candidates of each, at least one.
        """
        answers = [Answer(rung=ladder.ONE_CANDIDATE) for _ in regions]
        asked = [place for place, each in enumerate(found) if len(each.candidates) > 1]
        if asked:
            asked.sort(key=lambda place: found[place].margin)  # the least sure first
            some = self._asked(image, [regions[i] for i in asked], [found[i] for i in asked])
            for place, answer in zip(asked, some, strict=True):
                answers[place] = answer
        return answers

    def _asked(
        self, image: ImageReference, regions: Sequence[Region], found: Sequence[Candidates]
    ) -> list[Answer]:
        effort = replace(self._wanted.effort, seed=zlib.crc32(image.digest.encode()))
        wanted = replace(self._wanted, effort=effort, regions=len(regions))
        left_s = self._desk.left_s()
        sizes = list(map(self._sizes, found))
        plan = planning.plan(left_s, sizes, wanted, self._pacemaker.pace())
        if plan is None:
            self._pacemaker.skipped()
            return [Answer(rung=ladder.RANKER_LATE) for _ in regions]
        pictured = self._ranker.terms().exemplars_per_label
        asked = Asked(image, regions[: plan.regions], found[: plan.regions], sizes, plan, pictured)
        try:
            with self._desk.deadline.within(left_s):
                answers = self._shared(asked)
        except Exception as error:  # noqa: BLE001  (whatever it is: retrieval's order is an answer)
            answers = [Answer(rung=_rung(error)) for _ in asked.regions]
        late = Answer(rung=ladder.RANKER_LATE)
        return [self._limited(*pair) for pair in zip(answers, asked.found, strict=True)] + [late] * (
            len(regions) - plan.regions
        )

    def _sizes(self, found: Candidates) -> Sequence[int]:
        some = found.candidates[: self._wanted.labels]
        return planning.tokens_of(
            self._ranker.terms(), [each.label for each in some], [line(each.descriptions) for each in some]
        )

    def _limited(self, answer: Answer, found: Candidates) -> Answer:
        """Return the answer with what was not asked for want of letters."""
        if answer.judgement is None or len(found.candidates) <= self._wanted.labels:
            return answer
        return replace(answer, rung=ladder.lower(answer.rung, ladder.TOO_MANY_CANDIDATES))

    def _shared(self, asked: Asked) -> list[Answer]:
        """Return an answer to each question, one that another caller failed to get asked for again."""
        keys = asked.keys(self._ranker.models())
        by_key = dict(zip(keys, range(len(keys)), strict=True))
        mine: set[QuestionKey] = set()

        def compute(missing: Sequence[QuestionKey]) -> Sequence[Answer]:
            mine.update(missing)
            return self._answered(asked, [by_key[key] for key in missing])

        answers = dict(zip(keys, self._desk.once(keys, compute), strict=True))
        again = [key for key, answer in answers.items() if not answer.whole and key not in mine]
        if again:
            answers |= dict(zip(again, self._desk.once(again, compute), strict=True))
        return [self._known(answers[key], cached=key not in mine, plan=asked.plan) for key in keys]

    def _known(self, answer: Answer, *, cached: bool, plan: Plan) -> Answer:
        if answer.judgement is None:
            return answer
        less = None if answer.whole else ladder.LESS_EFFORT
        return replace(answer, cached=cached, rung=ladder.lower(less, plan.rung))

    def _answered(self, asked: Asked, places: Sequence[int]) -> list[Answer]:
        """Ask the ranker, and look at what it says."""
        regions = [asked.regions[place] for place in places]
        try:
            shown = self._pictures(asked.image, regions)
        except FoveaError as error:
            _LOG.info("%s cannot be shown to the ranker: %s", asked.image.key, error)
            return [Answer(rung=ladder.rung_of_image(error)) for _ in places]
        questions = [
            Question(pixels, region, *asked.texts(place), self._exemplars(asked, place))
            for place, (pixels, region) in zip(places, shown, strict=True)
        ]
        said, duration_s = self._said(questions, asked.plan.effort, expected=asked.tokens(places))
        if len(said) != len(questions):
            raise NoAnswerError(f"the ranker gave {len(said)} answers to {len(questions)} questions")
        return [
            _answer(each, question, asked.plan.effort, duration_s)
            for each, question in zip(said, questions, strict=True)
        ]

    def _exemplars(self, asked: Asked, place: int) -> tuple[tuple[Shown, ...], ...]:
        return tuple(
            tuple(Shown(key, box, partial(self._pictures.exemplar, key)) for key, box in some)
            for some in asked.exemplars(place)
        )

    def _said(
        self, questions: Sequence[Question], effort: Effort, *, expected: int
    ) -> tuple[Sequence[object], float]:
        """Return what the ranker says, whatever that is, and how long it took."""
        desk = self._desk
        with desk.turns.turn():
            desk.deadline.check()
            started = desk.clock()
            try:
                said = self._ranker.rank(questions, effort)
            except DeadlineExceeded:
                self._pacemaker.took(expected, desk.clock() - started)
                raise
            duration_s = desk.clock() - started
        tokens = sum(max(0, each.tokens) for each in said if isinstance(each, Judgement))
        other_s = sum(each.other_s for each in said if isinstance(each, Judgement))
        self._pacemaker.took(tokens, duration_s - other_s)
        self._monitor.asked(tokens, duration_s)
        return said, duration_s


def _answer(said: object, question: Question, effort: Effort, duration_s: float) -> Answer:
    try:
        if isinstance(said, FoveaError):
            raise said
        if not isinstance(said, Judgement):
            raise NoAnswerError(f"the ranker gave a {type(said).__name__}")
        judgement = checked_judgement(said, labels=len(question.labels))
    except FoveaError as error:
        return Answer(rung=_rung(error), effort=effort, duration_s=duration_s)
    return Answer(judgement, effort=effort, duration_s=duration_s)


def _rung(error: Exception) -> Rung:
    rung = ladder.rung_of(error)
    if rung is ladder.RANKER_FAILED:
        _LOG.warning("the ranker failed: %s", error, exc_info=error)
    else:
        _LOG.info("the ranker was not to be had: %s", error)
    return rung
