"""Streams and submissions: in order, without waiting, watched, and with an end."""

from __future__ import annotations

import itertools
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
    next(watched)  # from here on nothing is missed

    receipts = list(calls.submit(images, submission_id="watched"))

    assert [answer.recognition_id for answer in receipts] == list(images)
    assert all(answer.HasField("receipt") for answer in receipts)
    seen = [next(watched).recognition.envelope.recognition_id for _ in images]
    assert sorted(seen) == sorted(images)
    progress = eventually(lambda: ((now := calls.submission("watched")).completed == 9 and now) or None)
    assert (progress.accepted, progress.failed) == (9, 0)
    assert calls.recognition("w3").state == RECOGNITION_STATE_COMPLETED
    assert calls.recognition("w3").envelope.submission_id == "watched"


def test_a_watch_goes_on_behind_its_resume_token(calls: Calls) -> None:
    watched = calls.watch()
    begun = next(watched)
    first = calls.recognize(png("fern", seed=1))
    second = calls.recognize(png("fern", seed=2))
    seen = next(watched)

    behind_the_first = calls.watch(resume_token=seen.resume_token)
    from_the_beginning = calls.watch(resume_token=begun.resume_token)

    ids = [each.recognition.envelope.recognition_id for each in itertools.islice(from_the_beginning, 1, 3)]
    assert not begun.HasField("recognition")
    assert set(ids) == {first.envelope.recognition_id, second.envelope.recognition_id}
    assert next(itertools.islice(behind_the_first, 1, None)).recognition != seen.recognition


def test_submitting_an_id_again_gives_one_record(calls: Calls) -> None:
    for _ in range(2):
        (answer,) = calls.submit({"twice": png("poppy")}, submission_id="again")
        assert answer.HasField("receipt"), answer

    progress = eventually(lambda: ((now := calls.submission("again")).completed and now) or None)

    assert (progress.accepted, progress.completed, progress.failed) == (1, 1, 0)
