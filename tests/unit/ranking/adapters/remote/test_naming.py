from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.kernel.errors import Unavailable
from services.ranking.adapters.remote.naming import FRESH_S, Naming
from tests.fakes.clock import ManualClock


def test_a_name_is_asked_for_once_in_a_while() -> None:
    clock, names = ManualClock(), iter(["old@1", "new@2"])
    naming = Naming(lambda: next(names), lambda: clock.elapsed_s)

    assert [naming(), naming()] == ["old@1", "old@1"]
    clock.pass_time(FRESH_S)
    assert naming() == "new@2"


def test_a_server_that_does_not_say_is_asked_again() -> None:
    answers: Iterator[str | Unavailable] = iter([Unavailable("down"), "vl@1"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    naming = Naming(ask, lambda: 0.0)

    with pytest.raises(Unavailable):
        naming()
    assert naming() == "vl@1"
