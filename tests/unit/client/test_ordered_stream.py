import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from grpc import StatusCode

import fovea
from fovea.client import InvalidInput, Unavailable
from fovea.client.connection import Patience
from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble


def eventually(happened: Callable[[], bool]) -> bool:
    end = time.monotonic() + 5
    while not happened() and time.monotonic() < end:
        time.sleep(0.005)
    return happened()


def counted(read: list[int]) -> Iterator[bytes]:
    for number in itertools.count():
        read.append(number)
        yield b"%d" % number


def test_an_endless_source_is_read_only_as_far_as_the_window(server: FakeServer) -> None:
    read: list[int] = []
    with fovea.Client(server.target, window=4) as client:
        answers = client.recognize_many(counted(read))
        assert read == []

        assert next(answers).best == "0"
        assert eventually(lambda: len(read) == 5)
        time.sleep(0.05)
        assert len(read) == 5

        assert [next(answers).best for _ in range(3)] == ["1", "2", "3"]
        assert eventually(lambda: len(read) == 8)


def test_answers_come_before_the_source_has_its_next_item(client: fovea.Client) -> None:
    arrived = threading.Event()

    def camera() -> Iterator[bytes]:
        yield b"first"
        assert arrived.wait(5)
        yield b"second"

    answers = client.recognize_many(camera())

    assert next(answers).best == "first"
    arrived.set()
    assert next(answers).best == "second"
    assert next(answers, None) is None


def test_a_slow_server_holds_the_source_back(server: FakeServer) -> None:
    read: list[int] = []
    server.gateway.gate = threading.Semaphore(0)
    with fovea.Client(server.target, window=3) as client:
        answers = client.recognize_many(counted(read))
        first = threading.Thread(target=lambda: next(answers))
        first.start()
        assert eventually(lambda: len(read) == 3)
        time.sleep(0.05)
        assert len(read) == 3

        server.gateway.gate.release(100)
        first.join(5)
        assert not first.is_alive()


def test_after_a_disconnect_only_what_has_no_answer_is_sent_again(
    client: fovea.Client, server: FakeServer
) -> None:
    server.script.plan("RecognizeStream", Trouble(after_answers=2), Trouble(reason="DRAINING"))

    answers = list(client.recognize_many(b"%d" % number for number in range(40)))

    assert [answer.best for answer in answers] == [str(number) for number in range(40)]
    assert server.script.calls["RecognizeStream"] == 3
    handled = [request.task.image for request in server.script.requests["RecognizeStream"]]
    assert handled == [b"%d" % number for number in range(40)]


def test_a_stream_survives_a_restart_of_the_server(client: fovea.Client, server: FakeServer) -> None:
    answers = client.recognize_many(b"%d" % number for number in range(50))
    seen = [next(answers).best for _ in range(5)]

    server.stop()
    server.start()

    seen += [answer.best for answer in answers]
    assert seen == [str(number) for number in range(50)]


def test_a_stream_gives_up_when_the_server_stays_away(client: fovea.Client, server: FakeServer) -> None:
    client._session.connection.patience = Patience(attempts=2, first_pause_s=0.01)
    server.stop()

    with pytest.raises(Unavailable, match="no Fovea server"):
        list(client.recognize_many([b"x"]))


def test_a_refusal_of_the_whole_stream_is_not_tried_again(client: fovea.Client, server: FakeServer) -> None:
    server.script.plan(
        "RecognizeStream", Trouble(StatusCode.INVALID_ARGUMENT, "no", "NAME_INVALID", "tenant")
    )

    with pytest.raises(InvalidInput) as caught:
        list(client.recognize_many([b"x"]))

    assert caught.value.field == "tenant"
    assert server.script.calls["RecognizeStream"] == 1


def test_an_error_of_the_source_comes_after_the_answers_before_it(client: fovea.Client) -> None:
    def source() -> Iterator[bytes]:
        yield b"goldfinch"
        raise ZeroDivisionError("the caller's own")

    answers = client.recognize_many(source())

    assert next(answers).best == "goldfinch"
    with pytest.raises(ZeroDivisionError, match="the caller's own"):
        next(answers)


def test_an_empty_source_gives_no_answers(client: fovea.Client) -> None:
    assert list(client.recognize_many([])) == []


def test_leaving_a_stream_early_ends_its_thread(server: FakeServer) -> None:
    with fovea.Client(server.target, window=2) as client:
        answers = client.recognize_many(itertools.repeat(b"x"))
        next(answers)
        answers.close()  # type: ignore[attr-defined]  # a generator

        def feeding() -> bool:
            return any(thread.name == "fovea-feed" for thread in threading.enumerate())

        assert eventually(lambda: not feeding())
