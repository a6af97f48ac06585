"""Recognising again, or not, when a server does not answer."""

import pytest
from grpc import StatusCode

import fovea
from fovea.client import (
    DeadlineExceeded,
    Unavailable,
    Unsupported,
)
from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble


def test_the_client_always_chooses_an_id_and_a_retry_keeps_it(
    client: fovea.Client, server: FakeServer
) -> None:
    server.script.plan("Recognize", Trouble(), Trouble())

    answer = client.recognize(b"goldfinch")

    assert server.script.calls["Recognize"] == 3
    ids = {request.task.recognition_id for request in server.script.requests["Recognize"]}
    assert ids == {answer.recognition_id}
    assert answer.recognition_id


def test_a_large_picture_is_tried_again_as_well(client: fovea.Client, server: FakeServer) -> None:
    server.script.plan("Recognize", Trouble())

    client.recognize(b"x" * 2_000_000)

    assert server.script.calls["Recognize"] == 2


def test_a_call_that_would_not_be_the_same_twice_is_not_repeated(
    client: fovea.Client, server: FakeServer
) -> None:
    server.script.plan("Correct", Trouble())

    with pytest.raises(Unavailable):
        client.correct("r", "goldfinch")

    assert server.script.calls["Correct"] == 1


@pytest.mark.parametrize("reason", ["DRAINING", "STARTING"])
def test_any_call_that_a_server_did_not_let_in_is_made_again(
    client: fovea.Client, server: FakeServer, reason: str
) -> None:
    refused = Trouble(reason=reason)
    server.script.plan("Correct", refused, refused)
    answer = client.recognize(b"goldfinch")

    client.correct(answer.recognition_id, "linnet")

    assert server.script.calls["Correct"] == 3


def test_a_call_that_the_server_gave_up_is_made_again_if_that_is_safe(
    client: fovea.Client, server: FakeServer
) -> None:
    given_up = Trouble(StatusCode.CANCELLED)
    server.script.plan("Recognize", *[given_up] * 7)  # more often than gRPC itself would try
    server.script.plan("Correct", given_up)

    assert client.recognize(b"goldfinch").best == "goldfinch"
    with pytest.raises(Unavailable, match="gave the call up"):
        client.correct("r", "goldfinch")


def test_a_stream_that_the_server_gave_up_is_opened_again(client: fovea.Client, server: FakeServer) -> None:
    server.script.plan("RecognizeStream", Trouble(StatusCode.CANCELLED, after_answers=2))

    assert [answer.best for answer in client.recognize_many([b"finch"] * 5)] == ["finch"] * 5


def test_the_server_is_given_the_time_that_it_asks_for(client: fovea.Client, server: FakeServer) -> None:
    overloaded = Trouble(StatusCode.RESOURCE_EXHAUSTED, "full", "OVERLOADED", retry_after_s=0.05)
    server.script.plan("Recognize", overloaded, overloaded)

    assert client.recognize(b"goldfinch").best == "goldfinch"
    assert server.script.calls["Recognize"] == 3


def test_a_pause_longer_than_the_time_left_is_not_waited_for(
    client: fovea.Client, server: FakeServer
) -> None:
    server.script.plan(
        "Recognize", Trouble(StatusCode.RESOURCE_EXHAUSTED, "full", "OVERLOADED", retry_after_s=0.9)
    )

    with pytest.raises(fovea.FoveaError) as caught:
        client.using(timeout_s=0.5).recognize(b"goldfinch")

    assert caught.value.retry_after_s == pytest.approx(0.9)


def test_every_unary_call_has_a_deadline(client: fovea.Client, server: FakeServer) -> None:
    client.recognize(b"x", recognition_id="r")
    client.recognition("r")
    client.submission("s")
    client.labels()
    client.list_collections()
    client.teach_name("wren")

    left = [seconds for method in server.script.deadlines.values() for seconds in method]
    assert len(left) == 6
    assert all(seconds is not None and 0 < seconds < 5.1 for seconds in left)


def test_a_slow_server_ends_in_deadline_exceeded(client: fovea.Client, server: FakeServer) -> None:
    server.script.delay_s = 0.5

    with pytest.raises(DeadlineExceeded):
        client.using(timeout_s=0.05).recognize(b"x")


def test_an_error_carries_reason_and_field(client: fovea.Client, server: FakeServer) -> None:
    server.script.plan(
        "Recognize",
        Trouble(StatusCode.UNIMPLEMENTED, "no text prompts yet", "PROMPTS_UNSUPPORTED", "prompts[0]"),
    )

    with pytest.raises(Unsupported, match="no text prompts") as caught:
        client.recognize(b"x")

    assert (caught.value.reason, caught.value.field) == ("PROMPTS_UNSUPPORTED", "prompts[0]")


def test_a_server_that_is_not_there_is_named() -> None:
    with fovea.Client("127.0.0.1:1", timeout_s=5) as client, pytest.raises(Unavailable) as caught:
        client.recognize(b"x")

    assert caught.value.reason == "UNREACHABLE"
    assert "127.0.0.1:1" in caught.value.message
    assert "refused" in caught.value.message
