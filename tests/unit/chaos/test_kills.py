"""How long it takes until work goes on after a service was started again."""

from __future__ import annotations

import pytest

from tests.chaos.kills import recoveries_s


def test_recovery_lasts_from_a_restart_to_the_next_end_of_anything() -> None:
    found = recoveries_s([10.0, 11.0, 20.0], [9.0, 12.5, 14.0, 30.0])

    assert found == pytest.approx([2.5, 1.5, 10.0])


def test_a_restart_that_nothing_ended_after_has_no_recovery() -> None:
    assert recoveries_s([10.0], [9.0]) == []
