from __future__ import annotations

import contextvars
import threading
import time

import pytest

from services.kernel.errors import DeadlineExceeded, Unavailable
from services.runtime import deadline


def _cancelled() -> None:
    raise DeadlineExceeded("cancelled", reason="CANCELLED")


def _draining() -> None:
    raise Unavailable("draining", reason="DRAINING")


def test_outside_a_call_there_is_no_limit() -> None:
    deadline.check()
    deadline.check(endless=True)

    assert deadline.remaining_s() is None


def test_a_block_has_the_time_it_was_given() -> None:
    with deadline.within(5.0):
        left = deadline.remaining_s()

    assert left is not None
    assert 4 < left <= 5
    assert deadline.remaining_s() is None


def test_a_block_gets_no_more_than_the_one_around_it_has() -> None:
    with deadline.within(1.0), deadline.within(100.0):
        left = deadline.remaining_s()

    assert left is not None
    assert left <= 1


def test_check_raises_once_the_time_is_used_up() -> None:
    with deadline.within(0.01):
        deadline.check()
        time.sleep(0.02)
        with pytest.raises(DeadlineExceeded):
            deadline.check()
        assert deadline.remaining_s() == 0


def test_check_raises_when_the_caller_cancelled_also_within_an_inner_block() -> None:
    def call() -> None:
        deadline.enter(deadline.Limit(cancelled=_cancelled))
        with deadline.within(10.0), pytest.raises(DeadlineExceeded, match="cancelled"):
            deadline.check()

    contextvars.copy_context().run(call)


def test_only_endless_calls_end_when_the_process_drains() -> None:
    def call() -> None:
        deadline.enter(deadline.Limit(draining=_draining))
        deadline.check()
        with pytest.raises(Unavailable):
            deadline.check(endless=True)

    contextvars.copy_context().run(call)


def test_another_thread_keeps_the_limit_with_the_context() -> None:
    seen: list[float | None] = []
    with deadline.within(5.0):
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: seen.append(context.run(deadline.remaining_s)))
        thread.start()
        thread.join()

    assert seen[0] is not None
