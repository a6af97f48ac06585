"""Ranking by a model on a server that is away, late or says anything."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.chats import CHATS, Chat
from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Overloaded, Unavailable
from services.kernel.geometry import Box
from services.kernel.vocabulary import Region, RegionOrigin
from services.ranking.adapters.remote.asking import Answered, Asked
from services.ranking.adapters.remote.ranker import RemoteRanker, RemoteSettings
from services.ranking.domain.asking import Effort, Judgement, Question
from services.runtime.deadline import remaining_s, within
from tests.fakes import openai_behaviours
from tests.fakes.coloured import picture, question
from tests.fakes.openai_server import OpenAiServer
from tests.unit.ranking.adapters.remote.saying import LABELS, Saying, judged, listing, over_http


def test_one_order_that_fails_leaves_the_others() -> None:
    turns = iter(range(100))

    def answer(asked: Asked) -> Answered | FoveaError:
        bad = next(turns) == 1
        return Unavailable("odd", reason="RANKER_REFUSED") if bad else listing(("A", -0.1))(asked)

    with closing(RemoteRanker(Saying(answer))) as ranker:
        judgement = judged(ranker.rank([question("red", *LABELS)], Effort(orders=4)))

    assert len(judgement.readings) == 3


@pytest.mark.parametrize("error", [Unavailable("gone", reason="RANKER_DOWN"), Overloaded("full")])
def test_if_nobody_could_be_asked_it_is_raised(error: FoveaError) -> None:
    server = Saying(lambda _: error)
    with closing(RemoteRanker(server)) as ranker, pytest.raises(type(error)):
        ranker.rank([question("red", *LABELS)] * 5, Effort(orders=3))


def test_a_server_that_is_away_is_not_asked_for_every_region_in_vain() -> None:
    def answer(_: Asked) -> FoveaError:
        time.sleep(0.02)
        return Unavailable("gone", reason="RANKER_DOWN")

    server = Saying(answer)
    settings = RemoteSettings(concurrent=2)
    with closing(RemoteRanker(server, settings)) as ranker, pytest.raises(Unavailable):
        ranker.rank([question("red", *LABELS)] * 50, Effort(orders=3))

    assert len(server.asked) < 10


def test_a_region_outside_of_the_picture_is_wrong_by_itself(fake: OpenAiServer) -> None:
    outside = Question(
        picture("red"), Region("x", Box(900.0, 0.0, 990.0, 9.0), RegionOrigin.CALLER), LABELS, ("",) * 4
    )
    with over_http(fake) as ranker:
        wrong, right = ranker.rank([outside, question("red", *LABELS)], Effort())
        alone = ranker.rank([outside], Effort())

    assert isinstance(wrong, InvalidInput)
    assert isinstance(right, Judgement)
    assert isinstance(alone[0], InvalidInput)


def test_what_was_read_in_time_counts_and_the_rest_is_left() -> None:
    turns, held = iter(range(100)), threading.Event()

    def answer(asked: Asked) -> Answered:
        if next(turns) >= 2:
            held.wait(5)
        return listing(("A", -0.1))(asked)

    with closing(RemoteRanker(Saying(answer), RemoteSettings(concurrent=1))) as ranker:
        started = time.monotonic()
        with within(0.4):
            judgement = judged(ranker.rank([question("red", *LABELS)], Effort(orders=4)))
        took_s = time.monotonic() - started
        held.set()

    assert len(judgement.readings) == 2
    assert took_s < 2


def test_without_time_for_one_order_the_deadline_is_passed(fake: OpenAiServer) -> None:
    fake.behaviours += [openai_behaviours.late(2.0)] * 8
    with over_http(fake) as ranker, within(0.2), pytest.raises(DeadlineExceeded):
        ranker.rank([question("red", *LABELS)], Effort(orders=2))
    with over_http(fake) as ranker, within(0.0), pytest.raises(DeadlineExceeded):
        ranker.rank([question("red", *LABELS)], Effort(orders=2))


def test_whoever_is_asked_is_told_how_long_the_caller_waits() -> None:
    left: list[float | None] = []

    def answer(asked: Asked) -> Answered:
        left.append(remaining_s())
        return listing(("A", -0.1))(asked)

    with closing(RemoteRanker(Saying(answer))) as ranker, within(7.0):
        ranker.rank([question("red", *LABELS)], Effort(orders=2))

    assert len(left) == 2
    assert all(each is not None and 0 < each <= 7 for each in left)


def test_a_fault_of_our_own_is_not_hidden() -> None:
    def broken(_: Asked) -> Answered:
        raise ZeroDivisionError

    with closing(RemoteRanker(Saying(broken))) as ranker, pytest.raises(ZeroDivisionError):
        ranker.rank([question("red", *LABELS)], Effort())


TOKENS = st.lists(
    st.tuples(st.sampled_from(["A", " B", "C", "Z", "the", ""]), st.floats(-50, 0) | st.just(float("nan"))),
    max_size=8,
)


@given(
    tokens=st.none() | TOKENS,
    text=st.text(max_size=40) | st.sampled_from(["red, green", '["white"]', "B"]),
    count=st.integers(1, 4),
    tried=st.integers(1, 5),
    chat=st.sampled_from(list(CHATS.values())),
)
def test_whatever_a_model_says_each_label_has_a_probability(
    tokens: list[tuple[str, float]] | None, text: str, count: int, tried: int, chat: Chat
) -> None:
    def answer(asked: Asked) -> Answered:
        return Answered(text, tuple(tokens) if tokens is not None and asked.letters else None, "m@1", 1)

    with closing(RemoteRanker(Saying(answer, chat))) as ranker:
        judgement = judged(ranker.rank([question("red", *LABELS[:count])], Effort(orders=tried)))

    (evidence,) = judgement.evidence
    assert evidence.log_probabilities.shape == (count,)
    assert np.exp(evidence.log_probabilities).sum() == pytest.approx(1.0)
    assert 1 <= len(judgement.readings) <= tried
    assert len(judgement.prompt_digest) == 64
