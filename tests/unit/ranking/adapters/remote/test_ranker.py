"""Ranking by a model on a server: through orders, letters and lists, whatever the server does."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from models.ranking.chats import LLAVA, PLAIN
from models.ranking.orders import orders
from models.ranking.pieces import as_text, digest
from models.ranking.templates import Content, render
from services.kernel.errors import Unavailable
from services.ranking.adapters.remote.asking import Answered
from services.ranking.adapters.remote.ranker import RemoteRanker, RemoteSettings
from services.ranking.domain.asking import Effort, Judgement, Parsed, Question
from services.ranking.ports import Ranker
from tests.fakes.coloured import picture, question, whole
from tests.fakes.openai_server import MODEL, OpenAiServer, letters_of, serving
from tests.unit.ranking.adapters.remote.saying import LABELS, Saying, judged, listing, over_http


def ranked(judgement: Judgement, labels: tuple[str, ...] = LABELS) -> list[str]:
    (evidence,) = judgement.evidence
    assert np.exp(evidence.log_probabilities).sum() == pytest.approx(1.0)
    return [labels[i] for i in np.argsort(-evidence.log_probabilities)]


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


def test_no_question_has_no_answer(fake: OpenAiServer) -> None:
    with over_http(fake) as ranker:
        assert list(ranker.rank([], Effort())) == []


def test_it_is_a_ranker() -> None:
    with closing(RemoteRanker(Saying(listing(("A", -0.1))))) as ranker:
        assert isinstance(ranker, Ranker)
        assert ranker.models() == ("saying@1",)
        assert ranker.terms().most_labels == 26
