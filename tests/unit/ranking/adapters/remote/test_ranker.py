"""Ranking by a model on a server: through orders, letters and lists, whatever the server does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.chats import CHATS, LLAVA, PLAIN, Chat
from models.ranking.orders import orders
from models.ranking.pieces import as_text, digest
from models.ranking.templates import Content, render
from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Overloaded, Unavailable
from services.kernel.geometry import Box
from services.kernel.vocabulary import Region, RegionOrigin
from services.ranking.adapters.openai import OpenAiEndpoint, OpenAiSettings
from services.ranking.adapters.remote.asking import Answered, Asked
from services.ranking.adapters.remote.ranker import RemoteRanker, RemoteSettings
from services.ranking.adapters.remote.wire import WireSettings
from services.ranking.domain.asking import Effort, Judgement, Parsed, Question
from services.ranking.ports import Ranker
from services.runtime.deadline import remaining_s, within
from tests.fakes import openai_server
from tests.fakes.coloured import picture, question, whole
from tests.fakes.openai_server import MODEL, OpenAiServer, letters_of, serving

LABELS = ("blue", "red", "green", "white")


@dataclass
class Saying:
    """A server that says what a function makes of a prompt."""

    answer: Callable[[Asked], Answered | FoveaError]
    chat: Chat = PLAIN
    asked: list[Asked] = field(default_factory=list)

    def ask(self, asked: Asked) -> Answered:
        self.asked.append(asked)
        answer = self.answer(asked)
        if isinstance(answer, FoveaError):
            raise answer
        return answer

    def identity(self) -> str:
        return "saying@1"

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def over_http(fake: OpenAiServer, settings: RemoteSettings | None = None) -> Iterator[RemoteRanker]:
    endpoint = OpenAiEndpoint(OpenAiSettings(WireSettings(fake.url), MODEL))
    with closing(RemoteRanker(endpoint, settings)) as ranker:
        yield ranker


@pytest.fixture
def fake() -> Iterator[OpenAiServer]:
    with serving(OpenAiServer()) as served:
        yield served


def judged(answers: object) -> Judgement:
    assert isinstance(answers, list)
    (answer,) = answers
    assert isinstance(answer, Judgement)
    return answer


def ranked(judgement: Judgement, labels: tuple[str, ...] = LABELS) -> list[str]:
    (evidence,) = judgement.evidence
    assert np.exp(evidence.log_probabilities).sum() == pytest.approx(1.0)
    return [labels[i] for i in np.argsort(-evidence.log_probabilities)]


def listing(*tokens: tuple[str, float], text: str = "A") -> Callable[[Asked], Answered]:
    return lambda asked: Answered(text, tokens if asked.letters else None, "saying@1", 10)


@pytest.mark.parametrize("colour", LABELS)
def test_the_label_that_the_picture_shows_comes_first(fake: OpenAiServer, colour: str) -> None:
    with over_http(fake) as ranker:
        answer = judged(ranker.rank([question(colour, *LABELS)], Effort(orders=4)))

    assert ranked(answer)[0] == colour
    assert (answer.parsed, answer.models, answer.tokens) == (Parsed.READ, (f"{MODEL}@fp_1",), 400)
    assert answer.evidence[0].source == "letters"
    assert len(answer.readings) == 4


def test_what_was_read_is_recorded_place_by_place(fake: OpenAiServer) -> None:
    with over_http(fake) as ranker:
        answer = judged(ranker.rank([question("red", *LABELS)], Effort(orders=2, seed=5)))

    shown = orders(LABELS, count=2, seed=5)
    assert tuple(reading.order for reading in answer.readings) == shown
    for reading in answer.readings:
        choices = dict(zip("ABCD", (LABELS[i] for i in reading.order), strict=True))
        expected = letters_of(choices, (254, 0, 0))
        assert reading.log_probabilities == pytest.approx(tuple(expected.values()), abs=0.01)


def test_the_prompt_of_the_first_order_is_recorded_by_its_digest(fake: OpenAiServer) -> None:
    with over_http(fake) as ranker:
        answer = judged(ranker.rank([question("red", *LABELS)], Effort(orders=2, seed=5)))

    first = orders(LABELS, count=2, seed=5)[0]
    prompt = render("choice@1", Content(tuple(LABELS[i] for i in first)), chat=PLAIN)
    assert (answer.template, answer.prompt_digest) == ("choice@1+plain", digest(prompt))


def test_descriptions_go_with_their_labels() -> None:
    server = Saying(listing(("A", -0.1)), chat=LLAVA)
    asked = Question(picture("red"), whole("red"), ("owl", "bat"), ("flies by night", "hangs"))
    with closing(RemoteRanker(server)) as ranker:
        ranker.rank([asked], Effort(orders=2))

    for each in server.asked:
        sent = as_text(each.prompt)
        assert ". owl: flies by night\n" in sent
        assert ". bat: hangs\n" in sent


def test_every_region_is_asked_about_with_its_own_picture(fake: OpenAiServer) -> None:
    with over_http(fake) as ranker:
        answers = ranker.rank([question(colour, *LABELS) for colour in LABELS], Effort(orders=1))

    assert [ranked(answer)[0] for answer in answers if isinstance(answer, Judgement)] == list(LABELS)


def test_a_server_without_probabilities_writes_a_list() -> None:
    with serving(OpenAiServer(logprobs=False)) as fake, over_http(fake) as ranker:
        answer = judged(ranker.rank([question("green", *LABELS)], Effort(orders=2)))

    assert ranked(answer)[0] == "green"
    assert (answer.evidence[0].source, answer.parsed) == ("generated", Parsed.OK)
    assert all("green" in reading.text and not reading.log_probabilities for reading in answer.readings)
    assert answer.tokens == 400  # asked for letters in vain, and for a list, in each order
    assert answer.template == "list@1+plain"


def test_where_that_is_known_letters_are_not_asked_for() -> None:
    settings = RemoteSettings(letters=False)
    with serving(OpenAiServer(logprobs=False)) as fake, over_http(fake, settings) as ranker:
        judged(ranker.rank([question("green", *LABELS)], Effort()))

        assert len(fake.asked) == 1


def test_where_lists_are_not_wanted_it_is_unavailable() -> None:
    settings = RemoteSettings(generates=False)
    with (
        serving(OpenAiServer(logprobs=False)) as fake,
        over_http(fake, settings) as ranker,
        pytest.raises(Unavailable) as refused,
    ):
        ranker.rank([question("green", *LABELS)], Effort())

    assert refused.value.reason == "RANKER_ANSWER"


@pytest.mark.parametrize(
    ("text", "first", "parsed"),
    [
        ('["green", "red", "blue", "white"]', "green", Parsed.OK),
        ("1. Green\n2. Reds", "green", Parsed.REPAIRED),
        ("no idea at all", "", Parsed.FALLBACK),
    ],
)
def test_a_list_is_understood_as_far_as_it_can_be(text: str, first: str, parsed: Parsed) -> None:
    with closing(RemoteRanker(Saying(lambda _: Answered(text, None, "saying@1", 7)))) as ranker:
        answer = judged(ranker.rank([question("red", *LABELS)], Effort(orders=3)))

    assert answer.parsed is parsed
    if first:
        assert ranked(answer)[0] == first
    else:
        assert np.exp(answer.evidence[0].log_probabilities) == pytest.approx([0.25] * 4)


def test_labels_that_a_list_leaves_out_share_what_is_left_alike() -> None:
    with closing(RemoteRanker(Saying(lambda _: Answered('["green"]', None, "saying@1", 7)))) as ranker:
        answer = judged(ranker.rank([question("red", *LABELS)], Effort(orders=3)))

    blue, red, green, white = answer.evidence[0].log_probabilities
    assert green > blue == pytest.approx(red) == pytest.approx(white)


def test_a_letter_that_is_not_listed_is_no_better_than_one_that_is() -> None:
    tokens = (("A", -1.0), (" B", -2.0), ("The", -3.0))
    with closing(RemoteRanker(Saying(listing(*tokens)))) as ranker:
        answer = judged(ranker.rank([question("red", *LABELS)], Effort()))

    (reading,) = answer.readings
    assert reading.log_probabilities == pytest.approx((-1.0, -2.0, -3.0, -3.0))


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


def test_no_question_has_no_answer(fake: OpenAiServer) -> None:
    with over_http(fake) as ranker:
        assert list(ranker.rank([], Effort())) == []


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
    fake.behaviours += [openai_server.late(2.0)] * 8
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


def test_it_is_a_ranker() -> None:
    with closing(RemoteRanker(Saying(listing(("A", -0.1))))) as ranker:
        assert isinstance(ranker, Ranker)
        assert ranker.models() == ("saying@1",)
        assert ranker.terms().most_labels == 26
