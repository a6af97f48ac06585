"""Streams in order, with back-pressure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from services.kernel.errors import DeadlineExceeded
from services.runtime import deadline
from services.runtime.stream_window import Line, Take, in_order
from services.runtime.stream_workers import Workers, outcome

WAIT_S = 5.0


def _eventually(met: threading.Event) -> None:
    assert met.wait(WAIT_S)


def test_answers_keep_the_order_of_requests_whatever_ends_first() -> None:
    with ThreadPoolExecutor(4) as pool:

        def work(number: int) -> int:
            time.sleep(0.01 * (4 - number % 4))
            return number

        def begin(number: int) -> Take[int]:
            return pool.submit(work, number).result

        answers = list(in_order(iter(range(20)), begin, size=4))

    assert answers == list(range(20))


def test_a_request_is_read_only_when_a_place_is_free() -> None:
    read: list[int] = []

    def requests() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    answers = in_order(requests(), lambda number: lambda: number, size=3)
    next(answers)
    time.sleep(0.1)

    assert len(read) == 3  # one answered but not yet taken away, two under way

    next(answers)
    time.sleep(0.1)

    assert len(read) == 4
    answers.close()  # type: ignore[attr-defined]  # a generator


def test_an_answer_does_not_wait_for_the_next_request() -> None:
    asked = threading.Event()

    def requests() -> Iterator[str]:
        yield "first"
        _eventually(asked)
        yield "second"

    answers = in_order(requests(), lambda word: lambda: word, size=8)

    assert next(answers) == "first"
    asked.set()
    assert list(answers) == ["second"]


def test_what_the_requests_raise_comes_behind_the_answers_before_it() -> None:
    def requests() -> Iterator[int]:
        yield 1
        raise ConnectionError

    answers = in_order(requests(), lambda number: lambda: number, size=8)

    assert next(answers) == 1
    with pytest.raises(ConnectionError):
        next(answers)


def test_a_stream_that_nobody_reads_any_more_reads_nothing_more() -> None:
    read = threading.Semaphore(0)

    def requests() -> Iterator[int]:
        while True:
            read.release()
            yield 0

    answers = in_order(requests(), lambda number: lambda: number, size=2)
    next(answers)
    for _ in range(2):
        assert read.acquire(timeout=WAIT_S)
    answers.close()  # type: ignore[attr-defined]  # a generator
    time.sleep(0.1)

    assert not read.acquire(blocking=False)


def _line(batches: list[Sequence[int]]) -> Line[int, int]:
    """Return a line that notes what it hands over and gives ten times as much back."""

    def serve(values: Sequence[int]) -> Sequence[int]:
        batches.append(values)
        return [10 * each for each in values]

    return Line(serve)


def test_ready_items_are_handed_over_in_order_and_together() -> None:
    batches: list[Sequence[int]] = []
    line = _line(batches)
    places = [line.join() for _ in range(4)]

    line.ready(places[2], 2)
    line.ready(places[1], 1)
    assert batches == []
    line.ready(places[0], 0)
    line.ready(places[3], 3)

    assert batches == [[0, 1, 2], [3]]
    assert [place.outcome.result() for place in places] == [0, 10, 20, 30]


def test_an_item_that_leaves_the_line_holds_up_nobody() -> None:
    batches: list[Sequence[int]] = []
    line = _line(batches)
    first, second = line.join(), line.join()

    line.ready(second, 2)
    line.leave(first, ValueError("damaged"))

    assert batches == [[2]]
    assert second.outcome.result() == 20
    with pytest.raises(ValueError, match="damaged"):
        first.outcome.result()


def test_when_handing_over_fails_each_of_the_group_learns_it_and_the_line_goes_on() -> None:
    outcomes: list[Exception | None] = [ConnectionError(), None]

    def serve(values: Sequence[int]) -> Sequence[int]:
        error = outcomes.pop(0)
        if error:
            raise error
        return values

    line: Line[int, int] = Line(serve)
    first, second = line.join(), line.join()

    line.ready(first, 1)
    line.ready(second, 2)

    with pytest.raises(ConnectionError):
        first.outcome.result()
    assert second.outcome.result() == 2


def test_what_becomes_ready_while_others_are_handed_over_is_not_forgotten() -> None:
    line: Line[int, int]

    def serve(values: Sequence[int]) -> Sequence[int]:
        if values == [1]:
            line.ready(second, 2)
        return values

    line = Line(serve)
    first, second = line.join(), line.join()

    line.ready(first, 1)

    assert second.outcome.result(timeout=WAIT_S) == 2


def test_no_group_overtakes_the_one_that_is_being_handed_over() -> None:
    begun, go_on = threading.Event(), threading.Event()
    handed: list[Sequence[int]] = []

    def serve(values: Sequence[int]) -> Sequence[int]:
        begun.set()
        _eventually(go_on)
        handed.append(values)
        return values

    line: Line[int, int] = Line(serve)
    first, second = line.join(), line.join()
    slow = threading.Thread(target=line.ready, args=(first, 1))
    slow.start()
    _eventually(begun)
    quick = threading.Thread(target=line.ready, args=(second, 2))
    quick.start()
    quick.join(1.0)

    assert not quick.is_alive()  # whoever is at it takes the second along
    assert not second.outcome.done()
    go_on.set()
    assert second.outcome.result(timeout=WAIT_S) == 2
    assert handed == [[1], [2]]
    slow.join(WAIT_S)


def test_many_threads_keep_the_line_in_order() -> None:
    batches: list[Sequence[int]] = []
    line = _line(batches)
    places = [line.join() for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        for number in reversed(range(200)):
            pool.submit(line.ready, places[number], number)

    assert [place.outcome.result(timeout=WAIT_S) for place in places] == [
        10 * number for number in range(200)
    ]
    assert [number for batch in batches for number in batch] == list(range(200))


def test_an_item_has_its_own_deadline_within_that_of_its_stream() -> None:
    workers = Workers(threads=1, item_timeout_s=10.0)

    with deadline.within(1.0):
        short = outcome(workers.submit(deadline.remaining_s))
    long = outcome(workers.submit(deadline.remaining_s))

    assert short is not None
    assert short <= 1
    assert long is not None
    assert 1 < long <= 10
    workers.close()


def test_an_item_whose_stream_has_gone_is_not_begun() -> None:
    workers = Workers(threads=1, item_timeout_s=10.0)
    begun: list[int] = []
    token = deadline.enter(deadline.Limit(cancelled=partial(_raise, DeadlineExceeded("cancelled"))))
    try:
        future = workers.submit(lambda: begun.append(1))
    finally:
        deadline._current.reset(token)

    with pytest.raises(DeadlineExceeded):
        outcome(future)
    assert begun == []
    workers.close()


def _raise(error: Exception) -> None:
    raise error
