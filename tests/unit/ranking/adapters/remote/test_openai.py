"""The OpenAI-compatible endpoint against a real HTTP server: its words, its failures, and what is hostile."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from infra.local import daemons
from models.ranking.chats import PLAIN
from models.ranking.templates import Content, render
from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Overloaded, Unavailable
from services.ranking.adapters.openai import OpenAiEndpoint, OpenAiSettings
from services.ranking.adapters.remote.asking import MOST_ANSWER_BYTES, Answered, Asked, Guided
from services.ranking.adapters.remote.letters import read_letters
from services.ranking.adapters.remote.wire import WireSettings
from services.runtime.deadline import within
from tests.fakes import openai_server
from tests.fakes.coloured import jpeg
from tests.fakes.openai_server import MODEL, Behaviour, OpenAiServer, fails, letters_of, says, serving

KEY = "sk-never-shown-0123456789"
LABELS = ("blue", "red", "green")
ASKED = Asked(render("choice@1", Content(LABELS), chat=PLAIN), jpeg("red"), letters=3)


@contextmanager
def opened(
    fake: OpenAiServer, *, key: str = "", guided: Guided = "none", top: int = 20, **more: Any
) -> Iterator[OpenAiEndpoint]:
    wire = WireSettings(fake.url, SecretStr(key), **more)
    with closing(OpenAiEndpoint(OpenAiSettings(wire, MODEL, top, guided))) as endpoint:
        yield endpoint


@pytest.fixture
def fake() -> Iterator[OpenAiServer]:
    with serving(OpenAiServer()) as served:
        yield served


def answered(fake: OpenAiServer, **how: Any) -> Answered:
    with opened(fake, **how) as endpoint:
        return endpoint.ask(ASKED)


def raised(fake: OpenAiServer, behaviour: Behaviour | None = None, **how: Any) -> FoveaError:
    fake.behaviours += [behaviour] if behaviour else []
    with pytest.raises(FoveaError) as caught:
        answered(fake, **how)
    return caught.value


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


def test_a_redirect_is_not_followed_for_it_would_carry_the_key_elsewhere(fake: OpenAiServer) -> None:
    with serving(OpenAiServer()) as elsewhere:
        raised(fake, fails(307, b"", {"Location": f"{elsewhere.url}/chat/completions"}), key=KEY)

        assert elsewhere.headers == []


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


def test_what_is_compressed_is_not_unpacked(fake: OpenAiServer) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    error = raised(fake, fails(200, bomb, {"Content-Encoding": "gzip"}))

    assert error.reason == "RANKER_ANSWER"
    assert fake.headers[0]["Accept-Encoding"] == "identity"


def test_an_answer_without_end_is_not_read_to_its_end(fake: OpenAiServer) -> None:
    assert str(MOST_ANSWER_BYTES) in raised(fake, openai_server.floods).message


def test_an_answer_that_breaks_off_is_none(fake: OpenAiServer) -> None:
    assert raised(fake, openai_server.breaks_off).reason == "RANKER_DOWN"


def test_a_kept_connection_that_the_server_closed_is_opened_once_more(fake: OpenAiServer) -> None:
    with opened(fake) as endpoint:
        endpoint.ask(ASKED)
        fake.behaviours.append(openai_server.hangs_up)
        assert endpoint.ask(ASKED).listed
        fake.behaviours += [openai_server.hangs_up] * 2
        with pytest.raises(Unavailable):
            endpoint.ask(ASKED)


def test_connections_are_kept(fake: OpenAiServer) -> None:
    with opened(fake) as endpoint:
        for _ in range(5):
            endpoint.ask(ASKED)

    assert fake.connections == 1


@pytest.mark.parametrize("behaviour", [openai_server.late(3.0), openai_server.drips])
def test_a_slow_answer_costs_a_caller_no_more_than_its_time(fake: OpenAiServer, behaviour: Behaviour) -> None:
    started = time.monotonic()
    with within(0.3):
        assert isinstance(raised(fake, behaviour), DeadlineExceeded)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("behaviour", [openai_server.late(3.0), openai_server.drips])
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


def test_the_key_is_sent_and_never_said(fake: OpenAiServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake.key = KEY
    answered(fake, key=KEY)
    fake.behaviours.append(fails(400, openai_server.failure(f"the key {KEY} has no right to this model")))
    told = raised(fake, key=KEY)
    fake.key = "another"
    refused = raised(fake, key=KEY)
    settings = OpenAiSettings(WireSettings(fake.url, SecretStr(KEY)), MODEL)

    assert fake.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert "has no right" in told.message
    assert refused.reason == "RANKER_NOT_ALLOWED"
    chain = [told, refused, told.__cause__, told.__context__, refused.__context__, settings]
    assert KEY not in " ".join(map(repr, chain)) + told.message + refused.message + caplog.text


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/v1", "http://127.evil.example/v1", "http://localhost.example/v1"]
)
def test_a_key_is_not_sent_where_all_can_read_it(url: str) -> None:
    with pytest.raises(InvalidInput, match="https"):
        OpenAiEndpoint(OpenAiSettings(WireSettings(url, SecretStr(KEY)), MODEL))


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "host/v1", "https://me:word@host/v1", "https://host/v1?x=1"]
)
def test_an_address_is_one_of_the_web_without_secrets_in_it(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        OpenAiEndpoint(OpenAiSettings(WireSettings(url), MODEL))

    assert refused.value.field == "remote_ranker_url"
    assert "word" not in refused.value.message


def test_no_proxy_is_taken_from_the_environment(fake: OpenAiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert answered(fake).listed


def test_certificates_are_checked(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    files = {name: tmp_path / name for name in ("server", "ca", "other")}
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(files["server"])
    authority.cert_pem.write_to_path(files["ca"])
    other.cert_pem.write_to_path(files["other"])

    with serving(OpenAiServer(), files["server"]) as fake:
        assert answered(fake, ca_file=files["ca"]).listed
        for stranger in (files["other"], None):
            assert raised(fake, ca_file=stranger, key=KEY).reason == "RANKER_NOT_TRUSTED"
        assert len(fake.headers) == 1


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


RECORDED: dict[str, dict[str, Any]] = {
    "openai": {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "B", "refusal": None, "annotations": []},
                "logprobs": {
                    "content": [
                        {
                            "token": "B",
                            "logprob": -0.105,
                            "bytes": [66],
                            "top_logprobs": [
                                {"token": "B", "logprob": -0.105, "bytes": [66]},
                                {"token": "A", "logprob": -2.5, "bytes": [65]},
                                {"token": " B", "logprob": -6.1, "bytes": [32, 66]},
                            ],
                        }
                    ],
                    "refusal": None,
                },
                "finish_reason": "length",
            }
        ],
        "model": "gpt-4o-2024-08-06",
        "usage": {
            "prompt_tokens": 812,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    },
    "vllm": {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "reasoning_content": None, "content": "B", "tool_calls": []},
                "logprobs": {
                    "content": [
                        {
                            "token": "B",
                            "logprob": -0.11,
                            "bytes": [66],
                            "top_logprobs": [
                                {"token": "B", "logprob": -0.11, "bytes": [66]},
                                {"token": "A", "logprob": -2.4, "bytes": [65]},
                                {"token": "C", "logprob": -9999.0, "bytes": [67]},
                            ],
                        }
                    ]
                },
                "finish_reason": "length",
                "stop_reason": None,
            }
        ],
        "model": "Qwen/Qwen2-VL-7B-Instruct",
        "usage": {"prompt_tokens": 388, "total_tokens": 389, "completion_tokens": 1},
        "prompt_logprobs": None,
    },
    "llama.cpp": {
        "choices": [
            {
                "finish_reason": "length",
                "index": 0,
                "message": {"role": "assistant", "content": "B"},
                "logprobs": {
                    "content": [
                        {
                            "id": 33,
                            "token": "B",
                            "bytes": [66],
                            "logprob": -0.09,
                            "top_logprobs": [
                                {"id": 33, "token": "B", "bytes": [66], "logprob": -0.09},
                                {"id": 32, "token": "A", "bytes": [65], "logprob": -2.6},
                            ],
                        }
                    ]
                },
            }
        ],
        "usage": {"completion_tokens": 1, "prompt_tokens": 640, "total_tokens": 641},
        "timings": {"prompt_n": 640},
    },
}
"""The shapes that these servers are documented to answer in."""


@pytest.mark.parametrize("server", RECORDED)
def test_the_documented_answers_of_servers_are_read(fake: OpenAiServer, server: str) -> None:
    fake.behaviours.append(says(json.dumps(RECORDED[server]).encode()))

    told = answered(fake)

    assert told.listed is not None
    letters = read_letters(told.listed, 3)
    assert letters is not None
    assert letters.bounded == (2,)
    a, b, c = letters.log_probabilities
    assert b > a > c
    assert told.tokens > 300
