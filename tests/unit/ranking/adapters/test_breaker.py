from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Unavailable
from services.ranking.adapters.breaker import FAILURES, REST_S, SLOW_S, RestingRanker
from services.ranking.domain.asking import Effort, Judgement, Question
from services.runtime import deadline
from services.runtime.metrics.ranking import RankingMetrics
from tests.fakes.rankers import FakeRanker

SLOW = Unavailable("no answer", reason="RANKER_SLOW")


@dataclass
class Server(FakeRanker):
    """Takes its time, on a clock that moves for it alone."""

    takes_s: float = 2.0
    now_s: float = 0.0
    held: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    def models(self) -> tuple[str, ...]:
        return ("somebody's@1",)

    def rank(self, questions: Sequence[Question], effort: Effort) -> Sequence[Judgement | FoveaError]:
        self.entered.set()
        if self.held is not None:
            assert self.held.wait(30)
        self.now_s += self.takes_s
        return super().rank(questions, effort)


class Case:
    def __init__(self, **server: Any) -> None:
        self.server = Server(**server)
        self.metrics = RankingMetrics(CollectorRegistry())
        self.ranker = RestingRanker(self.server, self.metrics.server_up, clock=lambda: self.server.now_s)

    def ask(self, times: int = 1) -> list[str]:
        """Ask so often, and return why there was no answer, each time."""
        reasons = []
        for _ in range(times):
            try:
                self.ranker.rank([], Effort())
                reasons.append("")
            except FoveaError as error:
                reasons.append(error.reason)
        return reasons

    @property
    def up(self) -> float:
        (sample,) = next(iter(self.metrics.server_up.collect())).samples
        return sample.value


def test_a_server_that_keeps_callers_waiting_in_vain_is_left_alone() -> None:
    case = Case(raises=SLOW)

    assert case.ask(FAILURES + 4) == ["RANKER_SLOW"] * FAILURES + ["RANKER_RESTING"] * 4
    assert len(case.server.asked) == FAILURES
    assert case.up == 0
    with pytest.raises(Unavailable):
        case.ranker.models()


def test_when_it_has_rested_one_call_tries_and_an_answer_closes_it() -> None:
    case = Case(raises=SLOW)
    case.ask(FAILURES)

    case.server.now_s += REST_S
    assert case.ask(2) == ["RANKER_SLOW", "RANKER_RESTING"]

    case.server.raises = None
    case.server.now_s += REST_S
    assert case.ask(3) == ["", "", ""]
    assert case.up == 1


def test_while_one_call_tries_others_are_not_kept_waiting() -> None:
    case = Case(raises=SLOW)
    case.ask(FAILURES)
    case.server.now_s += REST_S
    case.server.held = threading.Event()
    case.server.entered.clear()
    tries = threading.Thread(target=case.ask)

    tries.start()
    assert case.server.entered.wait(30)
    meanwhile = case.ask(2)
    case.server.held.set()
    tries.join(30)

    assert meanwhile == ["RANKER_RESTING"] * 2
    assert len(case.server.asked) == FAILURES + 1


def test_that_it_says_its_name_does_not_show_that_it_answers() -> None:
    case = Case(raises=SLOW)
    case.ask(FAILURES)
    case.server.now_s += REST_S

    assert case.ranker.models() == ("somebody's@1",)
    assert case.up == 0
    assert case.ask(2) == ["RANKER_SLOW", "RANKER_RESTING"]


def test_an_answer_in_between_starts_the_count_anew() -> None:
    case = Case(raises=SLOW)
    case.ask(FAILURES - 1)
    case.server.raises = None
    case.ask()
    case.server.raises = SLOW

    assert case.ask(FAILURES) == ["RANKER_SLOW"] * FAILURES
    assert case.up == 0


def test_what_fails_at_once_is_asked_every_time() -> None:
    case = Case(raises=Unavailable("refused", reason="RANKER_DOWN"), takes_s=SLOW_S / 2)

    assert case.ask(3 * FAILURES) == ["RANKER_DOWN"] * 3 * FAILURES
    assert case.up == 1


def test_a_fault_of_the_question_is_no_fault_of_the_server() -> None:
    case = Case(raises=InvalidInput("no such region", reason="REGION_INVALID"))

    assert case.ask(2 * FAILURES) == ["REGION_INVALID"] * 2 * FAILURES
    assert case.up == 1


@pytest.mark.parametrize(("left_s", "up"), [(1e-9, 0), (60.0, 1)], ids=["time is up", "caller went away"])
def test_time_that_is_up_counts_and_a_caller_who_goes_away_does_not(left_s: float, up: int) -> None:
    case = Case(raises=DeadlineExceeded("gone"))

    with deadline.within(left_s):
        case.ask(FAILURES)

    assert case.up == up
