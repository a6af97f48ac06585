"""What every model that knows attributes must do, whoever runs it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32, Shaped

from models.attributes.answers import KeptAnswers
from models.attributes.asking import MOST_ANSWER, Answerer, CannotAnswerError, ModelError, Question, chosen
from models.attributes.choosing import ChoosingModel
from models.attributes.endpoint import Endpoint
from tests.fakes.answerers import Told
from tests.fakes.chat_server import Chat, chat_server

PNG = b"\x89PNG and so on"
CLOSED = Question("t@1", "What is the colour of the bird?", PNG, ("red", "yellow and black", "cannot tell"))


def first_choice(body: object) -> str:
    """Answer as a server would: with the choice that the question names second."""
    return str(body).partition("red\\n")[2].partition("\\n")[0]


class Letters:
    """A tokenizer of characters, in which each answer's letter is one token."""

    def encode(self, text: str) -> Sequence[int]:
        return [ord(text[1])] if len(text) == 2 and text[0] == " " else [ord(each) for each in text]

    def control(self, token: str) -> int:
        return 1_000_000 + len(token)


def likes(wanted: str) -> ChoosingModel:
    """Return a model that finds the letter before a text likeliest, wherever it stands."""

    def run(
        feeds: Mapping[str, Shaped[np.ndarray, "..."]],
    ) -> Mapping[str, Shaped[np.ndarray, "..."]]:
        reads, choices = feeds["reads"][0], feeds["choices"][0]
        logs = np.full((1, *choices.shape), -9.0, np.float32)
        for i, place in enumerate(reads.tolist()):
            path = feeds["mask"][0, place].nonzero()[0]
            said = "".join(chr(code) for code in feeds["input_ids"][0, path].tolist() if code < 1_000_000)
            letter = said.partition(f". {wanted}")[0][-1]
            logs[0, i, choices[i].tolist().index(ord(letter))] = -0.1
        return {"log_probabilities": logs}

    return ChoosingModel("letters@1", run, Letters(), look)


def look(picture: bytes) -> Float32[np.ndarray, "token dim"]:
    if picture and not picture.startswith(b"\x89PNG"):
        raise ValueError("no picture")
    return np.zeros((2 if picture else 0, 4), np.float32)


@pytest.fixture(params=["told", "kept", "endpoint", "letters"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Answerer]:
    if request.param == "told":
        yield Told(lambda _: "yellow and black")
    elif request.param == "kept":
        yield KeptAnswers(Told(lambda _: "yellow and black"), tmp_path / "answers")
    elif request.param == "letters":
        yield likes("yellow and black")
    else:
        with chat_server(Chat(first_choice)) as chat:
            yield Endpoint(chat.url, "vlm")


def test_a_closed_question_is_answered_with_one_of_its_choices(model: Answerer) -> None:
    assert isinstance(model, Answerer)
    assert chosen(model.answer(CLOSED), CLOSED.choices) == "yellow and black"
    assert model.answer(CLOSED) == model.answer(CLOSED)
    assert "@" in model.identity


def test_the_endpoint_is_asked_as_such_servers_are() -> None:
    with chat_server(Chat()) as chat:
        assert Endpoint(f"{chat.url}/", "vlm", key="secret").answer(CLOSED) == "fine"

    (path, headers, body), *more = chat.requests
    assert more == []
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer secret"
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("vlm", 0, CLOSED.most_tokens)
    image, text = body["messages"][0]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert text["text"].startswith(CLOSED.text)


HOSTILE = {
    "no json": b"<html>",
    "no choices": b"{}",
    "empty choices": b'{"choices": []}',
    "a list": b"[1]",
    "no text": b'{"choices": [{"message": {"content": null}}]}',
    "deep": b"[" * 100_000,
    "too long": b"x" * ((1 << 20) + 1),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_a_server_sends_is_an_error_of_the_model_and_shows_no_key(body: bytes) -> None:
    with (
        chat_server(Chat(reply=lambda *_: (200, body))) as chat,
        pytest.raises(ModelError) as raised,
    ):
        Endpoint(chat.url, "vlm", key="secret").answer(CLOSED)

    assert "secret" not in str(raised.value)
    assert len(str(raised.value)) < 500


def test_an_answer_of_any_length_is_bounded() -> None:
    with chat_server(Chat(lambda _: "long " * 100_000)) as chat:
        assert len(Endpoint(chat.url, "vlm").answer(CLOSED)) == MOST_ANSWER


def test_a_busy_server_is_asked_again_and_one_that_refuses_is_not() -> None:
    def busy(call: int, _: object) -> tuple[int, bytes]:
        return (503, b"busy") if call < 3 else (200, b'{"choices": [{"message": {"content": "red"}}]}')

    with chat_server(Chat(reply=busy)) as chat:
        assert Endpoint(chat.url, "vlm", pause_s=0.001).answer(CLOSED) == "red"
    assert len(chat.requests) == 3

    with (
        chat_server(Chat(reply=lambda *_: (401, b"who are you?"))) as chat,
        pytest.raises(ModelError, match="status 401: who are you"),
    ):
        Endpoint(chat.url, "vlm").answer(CLOSED)
    assert len(chat.requests) == 1


def test_a_busy_server_says_when_to_ask_again() -> None:
    def busy(call: int, _: object) -> tuple[int, bytes]:
        return (429, b"") if call < 2 else (200, b'{"choices": [{"message": {"content": "red"}}]}')

    began_s = time.monotonic()
    with chat_server(Chat(reply=busy, retry_after="1")) as chat:
        assert Endpoint(chat.url, "vlm", pause_s=0.0).answer(CLOSED) == "red"
    assert time.monotonic() - began_s >= 1.0

    with (
        chat_server(Chat(reply=lambda *_: (429, b""), retry_after="when the secret is told")) as chat,
        pytest.raises(ModelError) as raised,
    ):
        Endpoint(chat.url, "vlm", key="secret").answer(CLOSED)
    assert "secret" not in str(raised.value)


def test_a_busy_server_that_never_ends_what_it_says_is_given_up() -> None:
    with (
        chat_server(Chat(reply=lambda *_: (503, b"busy" * 50), drip_s=0.02)) as chat,
        pytest.raises(ModelError, match="or for more than"),
    ):
        Endpoint(chat.url, "vlm", timeout_s=0.2, pause_s=0.0).answer(CLOSED)
    assert len(chat.requests) == 1


def test_a_server_that_drips_is_given_up_and_one_that_repeats_the_key_is_not_quoted() -> None:
    with (
        chat_server(Chat(drip_s=0.02)) as chat,
        pytest.raises(ModelError, match="or for more than"),
    ):
        Endpoint(chat.url, "vlm", timeout_s=0.2).answer(CLOSED)
    with (
        chat_server(Chat(reply=lambda *_: (401, b"the key secret is wrong"))) as chat,
        pytest.raises(ModelError) as raised,
    ):
        Endpoint(chat.url, "vlm", key="secret").answer(CLOSED)
    assert "secret" not in str(raised.value)


def test_nobody_is_sent_elsewhere() -> None:
    with (
        chat_server(Chat(reply=lambda *_: (302, b""))) as chat,
        pytest.raises(ModelError, match="status 302"),
    ):
        Endpoint(chat.url, "vlm", key="secret").answer(CLOSED)


def test_a_server_that_is_not_there_or_no_picture_is_told() -> None:
    with pytest.raises(ModelError, match="cannot be reached"):
        Endpoint("http://127.0.0.1:9/v1", "vlm", timeout_s=1.0).answer(CLOSED)
    with pytest.raises(ModelError, match="none of PNG"):
        Endpoint("http://127.0.0.1:9/v1", "vlm").answer(Question("t@1", "x", b"MZ"))
    with pytest.raises(ValueError, match="no http"):
        Endpoint("file:///etc/passwd", "vlm")


def test_the_model_that_ships_only_chooses() -> None:
    with pytest.raises(CannotAnswerError, match="only chooses"):
        likes("red").answer(Question("t@1", "What is the colour?", PNG))
    with pytest.raises(ModelError, match="no picture"):
        likes("red").answer(Question("t@1", "x", b"MZ", ("red", "blue")))


def test_numbers_that_are_none_are_an_error() -> None:
    def broken(feeds: Mapping[str, Shaped[np.ndarray, "..."]]) -> Mapping[str, Shaped[np.ndarray, "..."]]:
        return {"log_probabilities": np.full((*feeds["choices"].shape,), np.nan, np.float32)}

    with pytest.raises(ModelError, match="no numbers"):
        ChoosingModel("letters@1", broken, Letters(), look).answer(CLOSED)


def test_nobody_is_asked_the_same_twice_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    first = Told(lambda question: question.text.upper())
    kept = KeptAnswers(first, path)
    other = Question("t@1", "other")
    assert [kept.answer(CLOSED), kept.answer(other), kept.answer(CLOSED)].count("OTHER") == 1
    path.write_bytes(path.read_bytes()[:-20])

    second = Told(lambda question: question.text.upper())
    again = KeptAnswers(second, path)
    again.answer(CLOSED)
    again.answer(other)
    third = Told(lambda _: "never")

    assert [len(first.asked), second.asked] == [2, [other]]
    assert KeptAnswers(third, path).answer(other) == "OTHER"
    assert KeptAnswers(Told(lambda _: "mine", "another@1"), path).answer(other) == "mine"
    assert third.asked == []
    assert all(json.loads(line)["model"] for line in path.read_text().splitlines() if line.endswith("}"))
