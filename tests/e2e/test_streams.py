"""Streams and submissions: in order, without waiting, watched, and with an end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from fovea.gateway.v1 import gateway_pb2
from fovea.kernel.v1.recognition_pb2 import RECOGNITION_STATE_COMPLETED
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.waiting import eventually

LABELS = sorted(COLOURS)


def _taught(calls: Calls) -> None:
    calls.remember([(label, png(label, seed=100)) for label in LABELS])


def test_a_stream_answers_in_the_order_of_its_requests(calls: Calls) -> None:
    _taught(calls)
    asked = [LABELS[i % 3] for i in range(12)]
    requests = (
        gateway_pb2.RecognizeStreamRequest(task=calls.task(png(label, seed=i), recognition_id=f"n{i}"))
        for i, label in enumerate(asked)
    )

    answers = list(calls.gateway.RecognizeStream(requests, timeout=TIMEOUT_S))

    assert [answer.recognition_id for answer in answers] == [f"n{i}" for i in range(12)]
    found = [answer.recognition.regions[0].ranking.labels[0].label for answer in answers]
    assert found == asked


def test_a_stream_reads_no_further_ahead_than_its_window(calls: Calls) -> None:
    read = threading.Semaphore(0)
    taken = 0

    def requests() -> Iterator[gateway_pb2.RecognizeStreamRequest]:
        nonlocal taken
        for _ in range(200):
            taken += 1
            read.release()
            yield gateway_pb2.RecognizeStreamRequest(task=calls.task(large))

    large = png("poppy") + bytes(1 << 20)  # what follows a PNG's end is ignored
    stream = calls.gateway.RecognizeStream(requests(), timeout=TIMEOUT_S)
    next(stream)

    # gRPC's own buffers hold a few messages of a megabyte; without a window all 200 would be taken at once.
    read.acquire()
    assert taken < 100
    stream.cancel()


def test_a_submission_is_counted_and_watched_to_its_end(calls: Calls) -> None:
    _taught(calls)
    images = {f"w{i}": png(LABELS[i % 3], seed=i) for i in range(9)}
    watched = calls.watch(submission_id="watched")
    seen: list[str] = []
    listening = threading.Thread(target=lambda: _collect(watched, seen, most=len(images)))
    listening.start()
    _wait_until_it_listens(calls)

    receipts = list(calls.submit(images, submission_id="watched"))

    assert [answer.recognition_id for answer in receipts] == list(images)
    assert all(answer.HasField("receipt") for answer in receipts)
    listening.join(timeout=30)
    assert sorted(seen) == sorted(images)
    progress = eventually(lambda: ((now := calls.submission("watched")).completed == 9 and now) or None)
    assert (progress.accepted, progress.failed) == (9, 0)
    assert calls.recognition("w3").state == RECOGNITION_STATE_COMPLETED
    assert calls.recognition("w3").envelope.submission_id == "watched"


def _wait_until_it_listens(calls: Calls) -> None:
    """A watch begins where the log ends when the call arrives; another record shows that it has arrived."""
    calls.recognize(png("poppy", seed=55))


def _collect(watched: Iterator[gateway_pb2.WatchRecognitionsResponse], seen: list[str], *, most: int) -> None:
    for answer in watched:
        seen.append(answer.recognition.envelope.recognition_id)
        if len(seen) == most:
            return


def test_a_watch_goes_on_behind_its_resume_token(calls: Calls) -> None:
    watched = calls.watch()
    first_seen = threading.Event()
    tokens: list[str] = []

    def listen() -> None:
        tokens.append(next(watched).resume_token)
        first_seen.set()

    threading.Thread(target=listen).start()
    numbers = iter(range(1_000))
    while not first_seen.wait(0.2):
        calls.recognize(png("fern", seed=next(numbers)))
    after = calls.recognize(png("fern", seed=2_000))

    resumed = calls.watch(resume_token=tokens[0])

    ids = (answer.recognition.envelope.recognition_id for answer in resumed)
    assert any(name == after.envelope.recognition_id for name in ids)


def test_submitting_an_id_again_gives_one_record(calls: Calls) -> None:
    for _ in range(2):
        (answer,) = calls.submit({"twice": png("poppy")}, submission_id="again")
        assert answer.HasField("receipt"), answer

    progress = eventually(lambda: ((now := calls.submission("again")).completed and now) or None)

    assert (progress.accepted, progress.completed, progress.failed) == (1, 1, 0)
