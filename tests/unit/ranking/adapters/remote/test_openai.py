"""The OpenAI-compatible endpoint against a real HTTP server: its words, its failures, and what is hostile."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate

import pytest

from infra.local import daemons
from services.kernel.errors import DeadlineExceeded, Overloaded, Unavailable
from services.ranking.adapters.remote.asking import Answered, Guided
from services.ranking.adapters.remote.letters import read_letters
from services.runtime.deadline import within
from tests.fakes import openai_behaviours, openai_server
from tests.fakes.openai_behaviours import fails, says
from tests.fakes.openai_server import MODEL, Behaviour, OpenAiServer, letters_of, serving
from tests.unit.ranking.adapters.remote.endpoint import ASKED, LABELS, answered, opened, raised


def test_the_letters_have_the_probabilities_that_the_server_gives(fake: OpenAiServer) -> None:
    told = answered(fake)

    assert told.listed is not None
    letters = read_letters(told.listed, 3)
    expected = letters_of(dict(zip("ABC", LABELS, strict=True)), (254, 0, 0))
    assert letters is not None
    assert letters.log_probabilities == pytest.approx(tuple(expected.values()), abs=0.01)
    assert (told.model, told.tokens) == (f"{MODEL}@fp_1", 100)


def test_a_question_is_one_picture_and_one_text_in_the_published_shape(fake: OpenAiServer) -> None:
    answered(fake)

    (request,) = fake.asked
    picture, text = request.pop("messages")[0]["content"]
    assert request == {
        "model": MODEL,
        "max_tokens": 1,
        "temperature": 0,
        "stream": False,
        "logprobs": True,
        "top_logprobs": 20,
    }
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")
    assert text["text"] == (
        "Which of these does the picture show?\nA. blue\nB. red\nC. green\n"
        "Answer with the letter and nothing else."
    )


@pytest.mark.parametrize(
    ("guided", "field"),
    [("structured_outputs", {"choice": ["A", "B", "C"]}), ("guided_choice", ["A", "B", "C"])],
)
def test_letters_alone_are_allowed_where_the_server_knows_how(guided: Guided, field: object) -> None:
    with serving(OpenAiServer(extensions=frozenset({guided}))) as fake:
        assert answered(fake, guided=guided).text.strip() == "B"
        assert fake.asked[0][guided] == field


def test_who_does_not_know_how_refuses_and_it_is_said(fake: OpenAiServer) -> None:
    error = raised(fake, guided="guided_choice")

    assert isinstance(error, Unavailable)
    assert error.reason == "RANKER_REFUSED"
    assert "guided_choice" in error.message


def test_a_server_that_gives_no_probabilities_lists_none() -> None:
    with serving(OpenAiServer(logprobs=False)) as fake:
        assert answered(fake).listed is None


def test_who_asks_for_more_than_the_server_lists_is_told_so(fake: OpenAiServer) -> None:
    error = raised(fake, top=30)

    assert "maximum of 20" in error.message


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, Unavailable, "RANKER_REFUSED"),
        (413, Unavailable, "RANKER_REFUSED"),
        (301, Unavailable, "RANKER_REFUSED"),
        (204, Unavailable, "RANKER_REFUSED"),
        (403, Unavailable, "RANKER_NOT_ALLOWED"),
        (429, Overloaded, "RANKER_BUSY"),
        (500, Unavailable, "RANKER_DOWN"),
        (503, Unavailable, "RANKER_DOWN"),
    ],
)
def test_a_status_has_its_consequence(fake: OpenAiServer, status: int, kind: type, reason: str) -> None:
    error = raised(fake, fails(status, openai_server.failure("because\nof this")))

    assert type(error) is kind
    assert error.reason == reason


def test_a_busy_server_says_when_to_come_back(fake: OpenAiServer) -> None:
    soon = raised(fake, fails(429, b"", {"Retry-After": "7"}))
    dated = raised(fake, fails(429, b"", {"Retry-After": formatdate(time.time() + 60, usegmt=True)}))
    odd = [raised(fake, fails(429, b"", {"Retry-After": each})) for each in ("nan", "-5", "1e400", "soon")]

    assert isinstance(soon, Overloaded)
    assert soon.retry_after_s == 7
    assert isinstance(dated, Overloaded)
    assert 50 < dated.retry_after_s <= 60
    assert [each.retry_after_s for each in odd if isinstance(each, Overloaded)] == [1.0, 0.0, 3600.0, 1.0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"choices": [',
        b"9" * 10_000,
        [],
        "text",
        None,
        {},
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"message": "A"}]},
        {"choices": [{"message": {"content": 7}}]},
        {"choices": [{"message": {"content": "A"}, "logprobs": {"content": [{}]}}]},
        {
            "choices": [
                {"message": {"content": "A"}, "logprobs": {"content": [{"token": "A", "logprob": "x"}]}}
            ]
        },
        {"choices": [{"message": {"content": "A"}, "logprobs": {"content": "A"}}]},
        {"error": {"message": "out of memory"}},
        {"error": "out of memory"},
    ],
)
def test_an_answer_that_nobody_understands_is_no_answer(fake: OpenAiServer, content: object) -> None:
    error = raised(fake, says(content))

    assert isinstance(error, Unavailable)
    assert error.reason in {"RANKER_ANSWER", "RANKER_REFUSED"}


def test_counts_that_cannot_be_are_none(fake: OpenAiServer) -> None:
    usage = {"prompt_tokens": -3, "completion_tokens": 10**30}
    fake.behaviours.append(says({"choices": [{"message": {"content": None}}], "usage": usage}))

    told = answered(fake)

    assert (told.text, told.listed, told.tokens) == ("", None, 0)


def test_an_answer_that_breaks_off_is_none(fake: OpenAiServer) -> None:
    assert raised(fake, openai_behaviours.breaks_off).reason == "RANKER_DOWN"


def test_a_kept_connection_that_the_server_closed_is_opened_once_more(fake: OpenAiServer) -> None:
    with opened(fake) as endpoint:
        endpoint.ask(ASKED)
        fake.behaviours.append(openai_behaviours.hangs_up)
        assert endpoint.ask(ASKED).listed
        fake.behaviours += [openai_behaviours.hangs_up] * 2
        with pytest.raises(Unavailable):
            endpoint.ask(ASKED)


def test_connections_are_kept(fake: OpenAiServer) -> None:
    with opened(fake) as endpoint:
        for _ in range(5):
            endpoint.ask(ASKED)

    assert fake.connections == 1


@pytest.mark.parametrize("behaviour", [openai_behaviours.late(3.0), openai_behaviours.drips])
def test_a_slow_answer_costs_a_caller_no_more_than_its_time(fake: OpenAiServer, behaviour: Behaviour) -> None:
    started = time.monotonic()
    with within(0.3):
        assert isinstance(raised(fake, behaviour), DeadlineExceeded)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("behaviour", [openai_behaviours.late(3.0), openai_behaviours.drips])
def test_who_has_all_the_time_waits_no_longer_than_the_setting(
    fake: OpenAiServer, behaviour: Behaviour
) -> None:
    error = raised(fake, behaviour, timeout_s=0.3)

    assert isinstance(error, Unavailable)
    assert error.reason == "RANKER_SLOW"


def test_nobody_there_is_unavailable() -> None:
    (port,) = daemons.free_ports(1)
    error = raised(OpenAiServer(url=f"http://127.0.0.1:{port}/v1"))

    assert isinstance(error, Unavailable)
    assert error.reason == "RANKER_DOWN"


def test_it_says_which_model_it_is(fake: OpenAiServer) -> None:
    with opened(fake) as endpoint:
        assert endpoint.identity() == f"{MODEL}@/weights/one"
        strange: tuple[object, ...] = ({"data": []}, {}, [], {"data": [7]})
        for content in strange:
            fake.behaviours.append(says(content))
            with pytest.raises(Unavailable):
                endpoint.identity()


def test_many_threads_may_ask_at_once(fake: OpenAiServer) -> None:
    told: list[Answered] = []
    with opened(fake, connections=2) as endpoint:
        threads = [threading.Thread(target=lambda: told.append(endpoint.ask(ASKED))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(told) == 8
    assert fake.connections <= 2
